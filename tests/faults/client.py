"""`python -m tests.faults.client`: point selects of a session that is to notice nothing, in a process of its own.

Each line that comes by standard input asks for a round; the answer is the 99th percentile of its selects, in seconds.
"""

import sys
import time

import pymysql

ROWS = 100


def main(host: str, port: str, user: str, password: str, database: str, selects: str) -> None:
    """Log in, and measure whenever it is asked for."""
    client = pymysql.connect(
        host=host, port=int(port), user=user, password=password, database=database, ssl_disabled=True
    )
    print("ready", flush=True)
    with client, client.cursor() as cursor:
        for _ in sys.stdin:
            taken = []
            for number in range(int(selects)):
                began = time.perf_counter()
                cursor.execute(f"SELECT v FROM points WHERE id = {number % ROWS}")
                cursor.fetchall()
                taken.append(time.perf_counter() - began)
            taken.sort()
            print(taken[int(len(taken) * 0.99)], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
