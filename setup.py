"""Compiles the modules that every packet passes through, where KEYCLASH_COMPILE=1 asks for it.

They do the same uncompiled. All else about the package is in pyproject.toml.
"""

import os

from setuptools import Extension, setup

# Not those of a login, which runs once for a connection: untyped, they are slower than what Python makes of them. With
# eleven of them (pair, session, login_phase ...) a connection took 448 us of CPU, without them 400.
_MODULES = (
    "proxy/conflicts/counters.py",
    "proxy/conflicts/insertions.py",
    "proxy/conflicts/neighbours.py",
    "proxy/net/epoll_pump.py",
    "proxy/net/pump.py",
    "proxy/net/ring.py",
    "proxy/net/ring_pump.py",
    "proxy/session/fast_lane.py",
    "proxy/session/insert_lane.py",
)


def _extensions() -> list[Extension]:
    from Cython.Build import cythonize

    # The types are in the .pxd files beside the modules; annotations are for people and mypy. Local variables have the
    # types of what they are set to: arithmetic on offsets is that of C.
    directives = {"language_level": 3, "annotation_typing": False, "infer_types": True, "wraparound": False}
    # Without what a debugger wants, which takes a third of the time of the compiler and most of the files.
    modules = [
        Extension(path.removesuffix(".py").replace("/", "."), [path], extra_compile_args=["-g0"]) for path in _MODULES
    ]
    found: list[Extension] = cythonize(modules, compiler_directives=directives, build_dir="build/c")
    return found


setup(ext_modules=_extensions() if os.environ.get("KEYCLASH_COMPILE") == "1" else [])
