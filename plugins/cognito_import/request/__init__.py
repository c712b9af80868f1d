"""What is asked: the request, and its users as people write them down."""
