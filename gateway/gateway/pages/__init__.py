"""The pages that the gateway answers itself, with FastAPI."""
