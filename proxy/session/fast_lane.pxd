# Types for a compiled build of fast_lane.py: its attributes are fields of a C struct, its comparisons those of C.

from proxy.conflicts.counters cimport Counters
from proxy.session.insert_lane cimport InsertLane

cdef int _HEADER, _LARGEST, _QUERY, _STMT_EXECUTE, _SHORTEST, _KEPT, _TEXT, _TEXT_BEHIND_COUNTS, _AUTOCOMMIT, _IN_TRANS
cdef int _EXCEPTIONAL, _NO_PLAIN_ROWS, _SHORT, _INSERT, _SEMICOLON
cdef int _TWO_BYTES, _THREE_BYTES, _EIGHT_BYTES

cdef class FastLane:
    cdef Counters _counters
    cdef object _general, _clock, _keep
    cdef object _to_client, _to_backend, _otherwise_from_client, _otherwise_from_backend
    cdef frozenset _starts
    cdef bint _attributes, _deprecate_eof
    cdef public bint clear, own_last, several
    cdef public bytes command
    cdef public double started
    cdef public long long count, received, sent
    cdef public int status
    cdef public set watched
    cdef public dict inserts
    cdef public InsertLane insert_lane
    cpdef client_data(self, bytes data)
    cpdef backend_data(self, bytes data)
    cdef bint _is_plain(self, int code, bytes data)
    cdef bint _is_insert(self, int code, bytes data)
    cdef int _start(self, bytes data)
    cdef bint _goes(self, int code, bytes data, double started)
    cdef _pass_on(self, int code, bytes data, Py_ssize_t size, double started)

cpdef int start_of(bytes text, Py_ssize_t position=*)
cpdef int status_of_ok(bytes data)
cpdef bint is_plain_result(bytes data, bint deprecate_eof)
cdef Py_ssize_t _length(bytes data, Py_ssize_t position)
cdef Py_ssize_t _behind_number(bytes data, Py_ssize_t position)
