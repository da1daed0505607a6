"""The Atlas Administration API over operations: parse, call, render."""
