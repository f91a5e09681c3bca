/* Stands between a process and the files below one folder: counts and names each call that changes them, and makes
 * one of them, or all from one on, fail, come out short, or be the last thing that the process does. Loaded with
 * LD_PRELOAD, so that it meets Python's calls and SQLite's alike; told what to do by `fault_arm` (ctypes). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { COUNT, KILL_BEFORE, KILL_AFTER, TORN, FAIL_ONCE, FAIL_FROM, SHORT, FULL };

static struct {
    char folder[PATH_MAX], op[32], pattern[256];
    int action, error, trace;
    long wanted, seen;
    volatile int armed;
} fault = {.trace = -1};

static volatile int guard;

static void lock(void) { while (__sync_lock_test_and_set(&guard, 1)) usleep(10); }
static void unlock(void) { __sync_lock_release(&guard); }

/* op: a call's name, or `*`, or `sync` for both; kinds of files are a pattern; `wanted` counts from 1. FULL: from that
 * call on no call below the folder that takes room works. */
void fault_arm(const char *folder, const char *op, const char *pattern, long wanted, int action, int error, int trace) {
    lock();
    snprintf(fault.folder, sizeof fault.folder, "%s", folder);
    snprintf(fault.op, sizeof fault.op, "%s", op);
    snprintf(fault.pattern, sizeof fault.pattern, "%s", pattern);
    fault.wanted = wanted, fault.seen = 0, fault.action = action, fault.error = error, fault.trace = trace;
    fault.armed = 1;
    unlock();
}

/* The disk works again; how many calls matched. */
long fault_release(void) { fault.armed = 0; return fault.seen; }

static int is(const char *name, const char *wanted) { return strcmp(name, wanted) == 0; }

static int takes_room(const char *op) { return is(op, "write") || is(op, "open") || is(op, "mkdir") || is(op, "ftruncate"); }

static int matches(const char *op, const char *name) {
    int named = is(fault.op, "*") || is(fault.op, op)
        || (is(fault.op, "sync") && (is(op, "fsync") || is(op, "fdatasync")));
    return named && fnmatch(fault.pattern, name, 0) == 0;
}

static void die(void) { kill(0, SIGKILL); for (;;) pause(); }

/* What a file is for: all shards are alike, and so are the folders that they lie in. */
static const char *kind(const char *name) {
    size_t length = strlen(name);
    if (length == 0) return ".";
    if (length > 4 && is(name + length - 4, ".vec")) return "shards/*.vec";
    if (length > 4 && is(name + length - 4, ".ann")) return "shards/*.ann";
    if (length > 8 && is(name + length - 8, ".ann.new")) return "shards/*.ann.new";
    return strncmp(name, "shards", 6) == 0 ? "shards/" : name;
}

/* What is to happen to this call. */
static int decide(const char *op, const char *path) {
    size_t length = strlen(fault.folder);
    if (!fault.armed || strncmp(path, fault.folder, length) != 0) return COUNT;
    if (path[length] != 0 && path[length] != '/') return COUNT;
    const char *name = kind(path + length + (path[length] == '/'));
    int action = COUNT;
    lock();
    if (fault.trace >= 0) {
        char line[PATH_MAX + 64];
        int n = snprintf(line, sizeof line, "%s %s\n", op, name);
        syscall(SYS_write, fault.trace, line, n);
    }
    if (fault.action == FULL && fault.seen >= fault.wanted) {
        if (takes_room(op)) action = FAIL_FROM;
    } else if (matches(op, name)) {
        long number = ++fault.seen;
        if (number == fault.wanted) action = fault.action;
        if (action == FULL) action = FAIL_FROM;
        else if (number > fault.wanted && (fault.action == FAIL_FROM || fault.action == SHORT)) action = fault.action;
    }
    unlock();
    if (action == KILL_BEFORE) die();
    return action;
}

static int of_handle(const char *op, int fd) {
    char link[64], path[PATH_MAX];
    if (!fault.armed) return COUNT;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return COUNT;
    path[n] = 0;
    return decide(op, path);
}

static int of_path(const char *op, int at, const char *path) {
    char full[PATH_MAX * 2], folder[PATH_MAX], link[64];
    if (!fault.armed) return COUNT;
    if (path[0] == '/') return decide(op, path);
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    if (at == AT_FDCWD) { if (!getcwd(folder, sizeof folder)) return COUNT; }
    else { ssize_t n = readlink(link, folder, sizeof folder - 1); if (n <= 0) return COUNT; folder[n] = 0; }
    snprintf(full, sizeof full, "%s/%s", folder, path);
    return decide(op, full);
}

#define REAL(name) ({ static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })
#define FAILS(action) ((action) == FAIL_ONCE || (action) == FAIL_FROM)
#define CALL(action, type, call) \
    if (FAILS(action)) { errno = fault.error; return -1; } \
    type done = call; \
    if ((action) == KILL_AFTER) die(); \
    return done

/* Half of what was asked, then the end; or half as a short write. */
#define WRITE(action, size, call, half) \
    if ((action) == TORN) { half; die(); } \
    if ((action) == SHORT && (size) > 1) return half; \
    CALL(action, ssize_t, call)

ssize_t write(int fd, const void *data, size_t size) {
    int action = of_handle("write", fd);
    WRITE(action, size, REAL(write)(fd, data, size), REAL(write)(fd, data, size / 2));
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    int action = of_handle("write", fd);
    WRITE(action, size, REAL(pwrite)(fd, data, size, at), REAL(pwrite)(fd, data, size / 2, at));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    int action = of_handle("write", fd);
    WRITE(action, size, REAL(pwrite64)(fd, data, size, at), REAL(pwrite64)(fd, data, size / 2, at));
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    int action = of_handle("write", fd);
    size_t half = count ? parts[0].iov_len / 2 : 0;
    WRITE(action, half * 2, REAL(writev)(fd, parts, count), REAL(write)(fd, parts[0].iov_base, half));
}
/* FAISS writes its files with C streams, whose calls inside the C library nobody can stand between. */
size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    int action = fault.armed ? of_handle("write", fileno(stream)) : COUNT;
    if (FAILS(action)) { errno = fault.error; return 0; }
    if (action == TORN) { REAL(fwrite)(data, 1, size * count / 2, stream); fflush(stream); die(); }
    if (action == SHORT && count > 1) return REAL(fwrite)(data, size, count / 2, stream);
    size_t done = REAL(fwrite)(data, size, count, stream);
    if (action == KILL_AFTER) { fflush(stream); die(); }
    return done;
}
static int makes(const char *mode) { return mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT : 0; }
static int opened(int at, const char *path, int flags);
#define STREAM(name) FILE *name(const char *path, const char *mode) { \
    int action = opened(AT_FDCWD, path, makes(mode)); \
    if (FAILS(action)) { errno = fault.error; return NULL; } \
    FILE *done = REAL(name)(path, mode); \
    if (action == KILL_AFTER) die(); \
    return done; \
}
STREAM(fopen)
STREAM(fopen64)
int fsync(int fd) { int action = of_handle("fsync", fd); CALL(action, int, REAL(fsync)(fd)); }
int fdatasync(int fd) { int action = of_handle("fdatasync", fd); CALL(action, int, REAL(fdatasync)(fd)); }
int ftruncate(int fd, off_t size) {
    int action = of_handle("ftruncate", fd);
    CALL(action, int, REAL(ftruncate)(fd, size));
}
int ftruncate64(int fd, off64_t size) {
    int action = of_handle("ftruncate", fd);
    CALL(action, int, REAL(ftruncate64)(fd, size));
}
int unlink(const char *path) { int action = of_path("unlink", AT_FDCWD, path); CALL(action, int, REAL(unlink)(path)); }
int unlinkat(int at, const char *path, int flags) {
    int action = of_path("unlink", at, path);
    CALL(action, int, REAL(unlinkat)(at, path, flags));
}
int mkdir(const char *path, mode_t mode) {
    int action = of_path("mkdir", AT_FDCWD, path);
    CALL(action, int, REAL(mkdir)(path, mode));
}
int link(const char *from, const char *to) {
    int action = of_path("link", AT_FDCWD, to);
    CALL(action, int, REAL(link)(from, to));
}
int rename(const char *from, const char *to) {
    int action = of_path("rename", AT_FDCWD, to);
    CALL(action, int, REAL(rename)(from, to));
}
int renameat(int at, const char *from, int to_at, const char *to) {
    int action = of_path("rename", to_at, to);
    CALL(action, int, REAL(renameat)(at, from, to_at, to));
}

/* Only opening that makes or empties a file changes anything; a disk that is full lets a file that exists be opened. */
static int opened(int at, const char *path, int flags) {
    if (!(flags & (O_CREAT | O_TRUNC))) return COUNT;
    if (!(flags & O_TRUNC) && faccessat(at, path, F_OK, 0) == 0) return COUNT;
    return of_path("open", at, path);
}
#define MODE(flags) mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
int open(const char *path, int flags, ...) {
    MODE(flags) int action = opened(AT_FDCWD, path, flags);
    CALL(action, int, REAL(open)(path, flags, mode));
}
int open64(const char *path, int flags, ...) {
    MODE(flags) int action = opened(AT_FDCWD, path, flags);
    CALL(action, int, REAL(open64)(path, flags, mode));
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags) int action = opened(at, path, flags);
    CALL(action, int, REAL(openat)(at, path, flags, mode));
}
int openat64(int at, const char *path, int flags, ...) {
    MODE(flags) int action = opened(at, path, flags);
    CALL(action, int, REAL(openat64)(at, path, flags, mode));
}
int creat(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
