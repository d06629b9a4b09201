"""The container image: built from the Dockerfile by buildah, and run, without a container engine."""
