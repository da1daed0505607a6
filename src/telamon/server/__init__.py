"""Builds everything: the only package that knows every layer.

``telamon serve`` is two processes, the API and a worker that it supervises; both come from here, and
so do the commands that work on the data directory itself. A command imports the module it needs,
since the API's and the job engine's libraries take their time to load.
"""
