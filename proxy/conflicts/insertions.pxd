# Types for a compiled build of insertions.py: what every INSERT passes is without a look-up of names.

from proxy.conflicts.neighbours cimport Neighbours

cdef int _MOST, _LONGEST_SHORT, _SLASH

cdef class Insertions:
    cdef dict _new, _old, _previous
    cdef object _texts, _texts_at, _texts_in, _executed, _executed_at, _executed_in, _latest
    cdef set _alive
    cdef Neighbours _neighbours
    cdef long long _last_session
    cpdef sent(self, long long session, bytes text, double at, bytes parameters=*, object schema=*)
    cdef _sent_unusual(self, long long session, bytes text, double at, bytes parameters, object schema)
    cpdef executed(self, long long session, bytes text, double at, bytes parameters, object schema)
    cdef _begin_generation(self)

cdef object _packed(long long session, double at)
