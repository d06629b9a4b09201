# Types for a compiled build of epoll_pump.py, and what it has in place of kernel.py.

cimport cython
from libc.limits cimport INT_MAX
from libc.math cimport ceil, fmin

from proxy.net.pump cimport Pump, PumpedTransport

cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        int fd
    cdef struct epoll_event:
        unsigned int events
        epoll_data_t data
    int epoll_wait(int epoll, epoll_event *events, int size, int timeout)

cdef enum:
    _BATCH = 64

cdef inline list wait(object poller, int number, double seconds):
    cdef epoll_event ready[_BATCH]
    cdef int size, milliseconds
    if seconds == 0:
        size = epoll_wait(number, ready, _BATCH, 0)
    else:
        milliseconds = -1 if seconds < 0 else <int>fmin(ceil(seconds * 1000), INT_MAX)
        with nogil:
            size = epoll_wait(number, ready, _BATCH, milliseconds)
    return [(ready[i].data.fd, ready[i].events) for i in range(size)]

cdef class EpollPump(Pump):
    cdef int _number
    cdef list _transports
    cpdef watch(self, PumpedTransport transport, int before, int events)
    cpdef forget(self, PumpedTransport transport, int before)
    @cython.locals(transport=PumpedTransport, found=list, others=list, fd=int, events=int, at_rest=bint, until=double,
                   left=double)
    cpdef list wait(self, double seconds)
