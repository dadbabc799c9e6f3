"""The command line `raybid`, and a platform on one machine."""
