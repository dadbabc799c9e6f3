"""The shipped packages and their licences."""
