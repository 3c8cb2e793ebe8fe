/* What several threads do: parts of one call, and files in memory, into which several threads copy at once: `write` lets in one after another. */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "calls.h"

#include "spread.h"

#ifdef __linux__
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define IN_MEMORY 0x01021994 /* tmpfs */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int in_memory(int fd)
{
    struct statfs found;
    return fstatfs(fd, &found) == 0 && (long)found.f_type == IN_MEMORY;
}

/* Copy bytes to a place of a mapped file, whose pages are made first: where there is no room for
 * them that says so, and writing to them would end the process. Then they leave the map, in this
 * thread, as it would take long to have all of them leave at the end. */
static int store(char *map, Py_ssize_t size, const char *data, Py_ssize_t length, Py_ssize_t place)
{
    const Py_ssize_t page = sysconf(_SC_PAGESIZE);
    const Py_ssize_t first = place / page * page, rest = size - first;
    Py_ssize_t bytes = place - first + length;
    bytes = (bytes + page - 1) / page * page;
    if (bytes > rest) bytes = rest;
    if (madvise(map + first, bytes, MADV_POPULATE_WRITE) != 0) return 0;
    memcpy(map + place, data, length);
    madvise(map + first, bytes, MADV_DONTNEED);
    return 1;
}
#else
static int in_memory(int fd)
{
    (void)fd;
    return 0;
}

static int store(char *map, Py_ssize_t size, const char *data, Py_ssize_t length, Py_ssize_t place)
{
    (void)map, (void)size, (void)data, (void)length, (void)place;
    return 0;
}
#endif

PyObject *py_allow_threads(PyObject *self, PyObject *args)
{
    (void)self;
    int threads;
    if (!PyArg_ParseTuple(args, "i", &threads)) return NULL;
    return PyLong_FromLong(allow_threads(threads));
}

PyObject *py_threads_for(PyObject *self, PyObject *args)
{
    (void)self;
    Py_ssize_t items, bytes;
    double nanoseconds;
    if (!PyArg_ParseTuple(args, "nnd", &items, &bytes, &nanoseconds)) return NULL;
    const int threads = threads_for(items, bytes);
    return Py_BuildValue("(ii)", threads, worth_waking(nanoseconds, threads - 1));
}

PyObject *py_in_memory(PyObject *self, PyObject *args)
{
    (void)self;
    int fd;
    if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
    return PyBool_FromLong(in_memory(fd));
}

PyObject *py_store(PyObject *self, PyObject *args)
{
    (void)self;
    PyObject *objects[2];
    Py_ssize_t place;
    if (!PyArg_ParseTuple(args, "OOn", &objects[0], &objects[1], &place)) return NULL;
    buffers b = {.count = 0};
    for (; b.count < 2; b.count++)
        if (PyObject_GetBuffer(objects[b.count], &b.view[b.count],
                               b.count ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0) {
            release(&b);
            return NULL;
        }
    const Py_ssize_t size = b.view[0].len, length = b.view[1].len;
    if (place < 0 || length > size || place > size - length) {
        release(&b);
        return PyErr_Format(PyExc_ValueError, "bytes that lie outside of the map");
    }
    int result = 1;
    RUN(length, result = store(b.view[0].buf, size, b.view[1].buf, length, place));
    return answer(&b, result);
}
