# Types for a compiled build of neighbours.py, and what it has in place of `get` and `put`: a load and a store.

cdef extern from "Python.h":
    ctypedef struct Py_buffer:
        void *buf
    Py_buffer *PyMemoryView_GET_BUFFER(object memory)

cdef inline long long get(object numbers, long long place):
    return (<long long *> PyMemoryView_GET_BUFFER(numbers).buf)[place]

cdef inline void put(object numbers, long long place, long long value):
    (<long long *> PyMemoryView_GET_BUFFER(numbers).buf)[place] = value

cdef long long _SLOTS, _WORD, _WORDS, _NUMBERS

cdef class Neighbours:
    cdef object _numbers
    cdef long long _index, _own, _workers
    cpdef sent(self, long long key, long long at, long long session)
    cpdef failed(self, long long key)
    cdef long long _word(self, long long session)
    cdef long long _bit(self, long long session)
