"""Short programs against a running platform; examples/README.md lists them."""
