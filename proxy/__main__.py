"""`python -m proxy` is the command `keyclash`."""

from proxy.cli import main

if __name__ == "__main__":
    main()
