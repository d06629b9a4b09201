"""A small application on Django, which talks to its database through mysqlclient."""

import django
from django.conf import settings

from tests.clients.programs.transcript import read_settings


def main() -> None:
    told = read_settings()
    database = {
        "ENGINE": "django.db.backends.mysql",
        "NAME": told["database"],
        "HOST": told["host"],
        "PORT": told["port"],
        "USER": told["user"],
        "PASSWORD": told["password"],
        "OPTIONS": {"charset": "utf8mb4", **({"ssl": {"cipher": ""}} if told["tls"] else {})},
    }
    settings.configure(
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["tests.clients.programs.shop"],
        USE_TZ=True,
    )
    django.setup()
    from tests.clients.programs.shop.use import use  # models can be imported only now

    use(told["setup"])


if __name__ == "__main__":
    main()
