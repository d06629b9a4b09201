# Types for a compiled build of counters.py, which needs all attributes named here: what every command adds to are fields of a C struct.

from libc.math cimport frexp

cdef int _REST

cdef inline int _bits(double microseconds) noexcept:
    cdef int count = 0
    if microseconds >= 1:
        frexp(microseconds, &count)  # below 2**count, and not below half of that
    return count

cdef class Durations:
    cdef public list buckets
    cdef public double sum
    cpdef observe(self, double seconds)

cdef class Counters:
    cdef public list commands
    cdef public long long bytes_received, bytes_sent
    cdef public Durations command_durations, resolution_durations
    cdef public object causes, conflicts, traces, deadlocks, errors, rewrites, skipped, tripped
    cdef public object sessions, sessions_limit, sessions_total, worker_restarts, workers
    cdef public object last_reload_at, last_reload_successful, _max_series
