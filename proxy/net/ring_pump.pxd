# Types for a compiled build of ring_pump.py.

cimport cython
from libc.stdint cimport uint64_t

from proxy.net.pump cimport Pump, PumpedTransport
from proxy.net.ring cimport (
    MORE,
    Ring,
    ask_cancel,
    ask_poll,
    ask_receive,
    ask_send,
    enter,
    hand_in,
    next_completion,
    now,
    received,
)

cdef list _NOTHING
cdef int _READ, _WRITE, _ALONE, _BURST, _ARRIVAL, _DEPARTURE, _ROOM, _OTHERS, _CANCELLATION, _BITS, _KIND

cdef class Line:
    cdef PumpedTransport transport
    cdef uint64_t number
    cdef bint noted, receiving, cancelled, polling
    cdef bytes flying
    cdef list held
    cdef int broken

cdef class RingPump(Pump):
    cdef Ring _ring
    cdef list _flying, _free, _late, _lines, _noted
    cdef bint _others_ready
    cdef long long _alone
    @cython.locals(line=Line)
    cpdef watch(self, PumpedTransport transport, int before, int events)
    @cython.locals(line=Line)
    cpdef forget(self, PumpedTransport transport, int before)
    @cython.locals(ring=Ring, found=bint, at_rest=bint, others=list, until=double, left=double)
    cpdef list wait(self, double seconds)
    @cython.locals(found=list)
    cdef list _look_at_others(self, Ring ring)
    @cython.locals(line=Line)
    cdef Line _open_line(self, PumpedTransport transport)
    @cython.locals(line=Line)
    cdef _ask_all(self, Ring ring)
    @cython.locals(transport=PumpedTransport, events=int, tag=uint64_t)
    cdef _ask(self, Ring ring, Line line)
    cdef _note(self, Line line)
    @cython.locals(line=Line, count=Py_ssize_t, handed_in=bint)
    cdef bint _complete(self, Ring ring) except *
    @cython.locals(line=Line, kind=int)
    cdef _take_note(self, Ring ring)
    @cython.locals(transport=PumpedTransport, result=int, data=bytes)
    cdef _arrived(self, Ring ring, Line line)
    @cython.locals(transport=PumpedTransport, size=Py_ssize_t)
    cdef _sent(self, Ring ring, Line line, Py_ssize_t result)
    @cython.locals(line=Line)
    cdef _hand_on_late(self)
    @cython.locals(transport=PumpedTransport)
    cdef _hand_on(self, Line line)

cdef bint _tells_of_ends(Ring ring) except *
cdef int _told(Ring ring) except? -1
