"""`python -m poolnorm_cli` is the command `poolnorm`."""

from poolnorm_cli.cli.main import main


if __name__ == "__main__":
    main()
