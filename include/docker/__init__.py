"""What only the containers of docker-compose.yaml run: the making of secrets, and the ground of the profile `local`."""
