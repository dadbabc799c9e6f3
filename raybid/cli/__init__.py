"""The command line `raybid`: a thin front to the API of a running platform, and to the other verbs."""
