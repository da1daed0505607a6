"""Telamon: MongoDB backup and restore behind the MongoDB Atlas Administration API."""

__version__ = "0.1.0"
