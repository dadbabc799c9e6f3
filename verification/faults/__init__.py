"""What can go wrong, made to go wrong: notices that lie, processes that die, and the books audited afterwards."""
