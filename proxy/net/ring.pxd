# What a compiled build has in place of ring_kernel.py: the same, on the kernel's memory itself.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EBUSY, EINTR, ETIME
from libc.errno cimport errno as c_errno
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "unistd.h" nogil:
    long syscall(long number, ...)

cdef extern from "time.h" nogil:
    enum: CLOCK_MONOTONIC
    struct timespec:
        int64_t tv_sec
        int64_t tv_nsec
    int clock_gettime(int clock, timespec *time)

cdef extern from "sys/socket.h" nogil:
    enum: MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL

cdef struct _Entry:
    uint8_t opcode
    uint8_t flags
    uint16_t ioprio
    int32_t fd
    uint64_t offset
    uint64_t address
    uint32_t length
    uint32_t more_flags
    uint64_t tag
    uint16_t group
    uint16_t personality
    int32_t other_fd
    uint64_t[2] rest

cdef struct _Completion:
    uint64_t tag
    int32_t result
    uint32_t flags

cdef struct _Buffer:
    uint64_t address
    uint32_t length
    uint16_t number
    uint16_t tail  # of the whole ring, in the first one

cdef struct _Time:
    int64_t seconds
    int64_t nanoseconds

cdef struct _Argument:
    uint64_t mask
    uint32_t mask_size
    uint32_t pad
    uint64_t time

cdef enum:
    MORE = 1 << 1
    _BUFFERS = 64
    _BUFFER = 1 << 14
    _STRIDE = _BUFFER + 192
    _ENTER = 426
    _WITH_ARGUMENT = 1 << 3
    _OVERFLOW = 1 << 1
    _POLL_ADD = 6
    _CANCEL = 14
    _SEND = 26
    _RECEIVE = 27
    _BUFFER_SELECT = 1 << 5
    _SKIP_SUCCESS = 1 << 6
    _MULTISHOT = 1 << 1
    _LARGEST = 1 << 18

cdef class Ring:
    cdef object _buffers_memory, _entries_memory, _rings_memory
    cdef size_t requests, request_head, request_tail, request_flags
    cdef size_t completions, completion_head, completion_tail
    cdef size_t pool, buffers
    cdef uint32_t request_mask, completion_mask, gathered, flags, waiting
    cdef uint16_t given
    cdef int fd, result
    cdef uint64_t tag

cdef inline _Entry *_ask(Ring ring, int opcode, int flags, int fd, uint64_t tag) except NULL:
    cdef uint32_t *tail = <uint32_t *>ring.request_tail
    while tail[0] - (<volatile uint32_t *>ring.request_head)[0] > ring.request_mask:
        hand_in(ring)
    cdef _Entry *entry = <_Entry *>ring.requests + (tail[0] & ring.request_mask)
    entry[0] = _Entry(opcode=opcode, flags=flags, ioprio=0, fd=fd, offset=0, address=0, length=0, more_flags=0,
                      tag=tag, group=0, personality=0, other_fd=0, rest=[0, 0])
    tail[0] += 1
    ring.gathered += 1
    return entry

cdef inline int ask_receive(Ring ring, int fd, uint64_t tag) except -1:
    _ask(ring, _RECEIVE, _BUFFER_SELECT, fd, tag).ioprio = _MULTISHOT
    return 0

cdef inline int ask_send(Ring ring, int fd, bytes data, uint64_t tag, bint told) except -1:
    cdef _Entry *entry = _ask(ring, _SEND, 0 if told else _SKIP_SUCCESS, fd, tag)
    entry.address = <uint64_t>PyBytes_AS_STRING(data)
    entry.length = <uint32_t>len(data)
    entry.more_flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL
    return 0

cdef inline int ask_poll(Ring ring, int fd, int events, uint64_t tag) except -1:
    _ask(ring, _POLL_ADD, 0, fd, tag).more_flags = <uint32_t>events
    return 0

cdef inline int ask_cancel(Ring ring, uint64_t tag, uint64_t own) except -1:
    _ask(ring, _CANCEL, 0, -1, own).address = tag
    return 0

cdef inline double now() noexcept:
    cdef timespec time
    clock_gettime(CLOCK_MONOTONIC, &time)
    return <double>time.tv_sec + <double>time.tv_nsec * 1e-9

cdef inline int hand_in(Ring ring) except -1:
    return _entered(ring, syscall(_ENTER, ring.fd, ring.gathered, 0, 0, NULL, 0))

cdef inline int enter(Ring ring, double seconds) except -1:
    cdef int fd = ring.fd
    cdef uint32_t gathered = ring.gathered, waiting = ring.waiting
    cdef _Time time
    cdef _Argument argument
    cdef long done
    if seconds == 0:
        return _entered(ring, syscall(_ENTER, fd, gathered, 0, ring.waiting, NULL, 0))
    if seconds < 0:
        with nogil:
            done = syscall(_ENTER, fd, gathered, 1, waiting, NULL, 0)
    else:
        time.seconds = <int64_t>seconds
        time.nanoseconds = <int64_t>((seconds - <double>time.seconds) * 1e9)
        argument.mask, argument.mask_size, argument.pad, argument.time = 0, 0, 0, <uint64_t>&time
        with nogil:
            done = syscall(_ENTER, fd, gathered, 1, waiting | _WITH_ARGUMENT, &argument, sizeof(_Argument))
    return _entered(ring, done)

cdef inline int _entered(Ring ring, long done) except -1:
    if done >= 0:
        ring.gathered -= <uint32_t>done
    elif c_errno != EINTR and c_errno != ETIME and c_errno != EBUSY and c_errno != EAGAIN:
        PyErr_SetFromErrno(OSError)
    return 0

cdef inline bint next_completion(Ring ring) except -1:
    if _take(ring):
        return True
    if not (<uint32_t *>ring.request_flags)[0] & _OVERFLOW:
        return False
    enter(ring, 0)
    return _take(ring)

cdef inline bint _take(Ring ring) noexcept:
    cdef _Completion *found = _peek(ring)
    if found is NULL:
        return False
    ring.tag, ring.result, ring.flags = found.tag, found.result, found.flags
    (<uint32_t *>ring.completion_head)[0] += 1
    return True

cdef inline _Completion *_peek(Ring ring) noexcept:
    cdef uint32_t head = (<uint32_t *>ring.completion_head)[0]
    if head == (<volatile uint32_t *>ring.completion_tail)[0]:
        return NULL
    return <_Completion *>ring.completions + (head & ring.completion_mask)

cdef inline bytes received(Ring ring):
    cdef _Completion *following = _peek(ring)
    cdef bytes data
    if following is NULL or following.tag != ring.tag or following.result <= 0:
        data = PyBytes_FromStringAndSize(<char *>ring.buffers + (ring.flags >> 16) * _STRIDE, ring.result)
        _give_back(ring)
        return data
    return _received_in_parts(ring)

cdef inline bytes _received_in_parts(Ring ring):
    # how much follows at once, then all of it
    cdef uint32_t head = (<uint32_t *>ring.completion_head)[0]
    cdef uint32_t tail = (<volatile uint32_t *>ring.completion_tail)[0]
    cdef _Completion *found
    cdef Py_ssize_t size = ring.result, position = ring.result
    cdef uint32_t count = 0
    while head + count != tail and size < _LARGEST:
        found = <_Completion *>ring.completions + ((head + count) & ring.completion_mask)
        if found.tag != ring.tag or found.result <= 0:
            break
        size += found.result
        count += 1
    cdef bytes data = PyBytes_FromStringAndSize(NULL, size)
    cdef char *into = PyBytes_AS_STRING(data)
    memcpy(into, <char *>ring.buffers + (ring.flags >> 16) * _STRIDE, position)
    _give_back(ring)
    for _ in range(count):
        _take(ring)
        memcpy(into + position, <char *>ring.buffers + (ring.flags >> 16) * _STRIDE, ring.result)
        position += ring.result
        _give_back(ring)
    return data

cdef inline void _give_back(Ring ring) noexcept:
    cdef uint16_t number = <uint16_t>(ring.flags >> 16)
    cdef _Buffer *pool = <_Buffer *>ring.pool
    cdef _Buffer *place = pool + (ring.given & (_BUFFERS - 1))
    place.address = ring.buffers + number * _STRIDE
    place.length = _BUFFER
    place.number = number
    ring.given += 1
    (<volatile uint16_t *>&pool.tail)[0] = ring.given
