# What a compiled build of pump.py has in place of kernel.py: the same two system calls without a frame, an argument
# tuple or a release of the interpreter's lock, which sockets that do not block do not need.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
cimport cython
from libc.errno cimport EAGAIN, EINTR
from libc.errno cimport errno as c_errno

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
    _CHUNK = 262144
    _BATCH = 64

cdef epoll_event _ready[_BATCH]

cdef inline list wait(object poller, int number):
    cdef int size = epoll_wait(number, _ready, _BATCH, 0)
    return [(_ready[i].data.fd, _ready[i].events) for i in range(size)]

cdef char _buffer[_CHUNK]

cdef inline bytes receive(int fd):
    cdef ssize_t size = recv(fd, _buffer, _CHUNK, MSG_DONTWAIT)
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
    cdef object _loop, _poller
    cdef int _number
    cdef list _transports
    cdef readonly object call_soon
    @cython.locals(transport=PumpedTransport, found=list, fd=int, events=int)
    cpdef _turn(self)

cdef class PumpedTransport:
    cdef Pump _pump
    cdef object _reader, _socket, _waiting
    cdef readonly int fd
    cdef public object feed
    cdef Py_ssize_t _waiting_size, _high_water
    cdef bint _closing, _ending, _full, _lost
    cdef int _events
    cpdef ready(self, int events)
    cpdef write(self, bytes data)
    cdef _read(self)
