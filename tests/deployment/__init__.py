"""The files under config/ with which Keyclash is put to work: they fit each other, the image and the command line."""
