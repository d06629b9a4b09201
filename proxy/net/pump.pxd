# Types for a compiled build of pump.py, and what it has in place of kernel.py: the same system calls without a
# frame, an argument tuple or a release of the interpreter's lock, which sockets that do not block do not need.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, ECONNABORTED, EINTR
from libc.errno cimport errno as c_errno

cdef extern from "sys/socket.h" nogil:
    ssize_t recv(int fd, void *buffer, size_t size, int flags)
    ssize_t c_send "send"(int fd, const void *data, size_t size, int flags)
    int accept4(int fd, void *address, void *size, int flags)
    enum: MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK

cdef enum:
    CHUNK = 262144

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

cdef inline int accept(object sock) except -2:
    cdef int fd = accept4(sock.fileno(), NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)
    if fd < 0 and c_errno != EAGAIN and c_errno != EINTR and c_errno != ECONNABORTED:
        PyErr_SetFromErrno(OSError)
    return fd

cdef int _READ, _WRITE, _ENDS, _HIGH_WATER, _SMALL, _PIECE

cdef class PumpedTransport

cdef class Pump:
    cdef readonly object poller, lost
    cdef public bint due
    cdef readonly dict listening
    cdef readonly list calls
    cdef readonly set watched
    cdef public bint batches
    cpdef watch(self, PumpedTransport transport, int before, int events)
    cpdef forget(self, PumpedTransport transport, int before)
    cpdef list wait(self, double seconds)
    @cython.locals(calls=list)
    cpdef call_back(self)
    @cython.locals(transport=PumpedTransport)
    cpdef tell_losses(self)
    @cython.locals(others=list, fd=int, events=int)
    cpdef list not_listening(self, list found)

cdef class PumpedTransport:
    cdef Pump _pump
    cdef object _loss, _reader, _socket
    cdef list _waiting
    cdef readonly int fd, events
    cdef readonly bint lost
    cdef public object feed, handle
    cdef public Py_ssize_t high_water
    cdef Py_ssize_t _waiting_size
    cdef bint _closing, _dropped, _ending, _full
    cpdef ready(self, int events)
    cpdef write(self, bytes data)
    cpdef arrived(self, bytes data)
    @cython.locals(waiting=list, size=Py_ssize_t, count=Py_ssize_t)
    cpdef bytes next_piece(self)
    cpdef bint goes_on(self)
    cpdef sent(self, Py_ssize_t size)
    cpdef send_at_once(self)
    cpdef tell_loss(self)
    cdef _read(self, int events)
    cdef _wait_to_send(self, bytes data)
    cdef _send_waiting(self)
    cdef _keep(self, bytes data)
    @cython.locals(data=bytes)
    cdef _let_go(self, Py_ssize_t size)
    cdef _send_no_more(self)
    cdef _make_room(self)
    cdef _all_sent(self)
    cdef _shut_down(self)
    cdef _watch(self, int events)
