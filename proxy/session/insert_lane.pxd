# Types for a compiled build of insert_lane.py: its attributes are fields of a C struct, its searches those of C.

from proxy.conflicts.insertions cimport Insertions

cdef int _LOOK, _MOST, _OPENING, _EQUALS, _SEMICOLON, _EXPECTED, _FORESEEN
cdef object _PLAIN, _WATCHED

cdef class InsertLane:
    cdef Insertions _insertions
    cdef object _judge, _rules, _user, _variables, _foresee, _known_for, _schema
    cdef dict _ways
    cdef bint _mariadb
    cdef Py_ssize_t _longest
    cdef long long _session, _in_a_row, _were_in_a_row
    cpdef bint goes(self, bytes data, Py_ssize_t at, double started, bint several)
    cdef bint _may_be_watched(self, bytes data)
    cdef object _way_of(self, bytes data, Py_ssize_t at)
    cdef object _way_by_sign(self, bytes data, Py_ssize_t at, Py_ssize_t end, object schema)
