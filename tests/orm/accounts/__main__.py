"""An application on Django that knows nothing of rules: adds users in each way and prints what it reads, as JSON.

Standard input: {"connection": the settings of the database}.
"""

import json
import sys

import django
from django.conf import settings


def main() -> None:
    told = json.load(sys.stdin)
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.mysql", **told["connection"]}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["tests.orm.accounts.apps.Accounts"],
        USE_TZ=True,
    )
    django.setup()
    from tests.orm.accounts.use import use  # models can be imported only now

    json.dump(use(), sys.stdout)


if __name__ == "__main__":
    main()
