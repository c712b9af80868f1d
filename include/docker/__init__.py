"""Programs that only the containers of docker-compose.yaml run: they make secrets, and the resources of the profile `local`."""
