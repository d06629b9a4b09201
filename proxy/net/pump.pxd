# What a compiled build of pump.py has in place of kernel.py: the same two system calls without a frame, an argument
# tuple or a release of the interpreter's lock, which sockets that do not block do not need.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
cimport cython
from libc.errno cimport EAGAIN, EINTR
from libc.errno cimport errno as c_errno
from libc.limits cimport INT_MAX
from libc.math cimport ceil, fmin

cdef extern from "sys/socket.h" nogil:
    ssize_t recv(int fd, void *buffer, size_t size, int flags)
    ssize_t c_send "send"(int fd, const void *data, size_t size, int flags)
    enum: MSG_DONTWAIT, MSG_NOSIGNAL

cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        int fd
    cdef struct epoll_event:
        unsigned int events
        epoll_data_t data
    int epoll_wait(int epoll, epoll_event *events, int size, int timeout)

cdef enum:
    CHUNK = 262144
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

cdef char _buffer[CHUNK]

cdef inline bytes receive(int fd):
    cdef ssize_t size = recv(fd, _buffer, CHUNK, MSG_DONTWAIT)
    if size >= 0:
        return PyBytes_FromStringAndSize(_buffer, size)
    if c_errno == EAGAIN or c_errno == EINTR:
        return None
    PyErr_SetFromErrno(OSError)

cdef inline ssize_t send(int fd, bytes data):
    cdef ssize_t size = c_send(fd, PyBytes_AS_STRING(data), len(data), MSG_DONTWAIT | MSG_NOSIGNAL)
    return size if size >= 0 else 0 if c_errno == EAGAIN or c_errno == EINTR else -1

cdef class PumpedTransport

cdef class Pump:
    cdef object _poller
    cdef int _number
    cdef list _transports
    cdef public bint due
    cdef readonly object call_soon
    @cython.locals(transport=PumpedTransport, found=list, others=list, fd=int, events=int, until=double, left=double)
    cpdef list wait(self, double seconds)

cdef class PumpedTransport:
    cdef Pump _pump
    cdef object _reader, _socket, _waiting
    cdef readonly int fd
    cdef public object feed
    cdef public Py_ssize_t high_water
    cdef Py_ssize_t _waiting_size
    cdef bint _closing, _dropped, _ending, _full, _lost
    cdef int _events
    cpdef ready(self, int events)
    cpdef write(self, bytes data)
    cdef _read(self, int events)
