/* Loaded into every process of a test (LD_PRELOAD): one line in $SOCKET_WATCH for each process, and one for each
   address outside this machine that it tries to reach, or name that it looks up. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what, const char *whom) {
    int before = errno;
    const char *path = getenv("SOCKET_WATCH");
    char line[512];
    int length = snprintf(line, sizeof line, "%d %s %s\n", (int)getpid(), what, whom);
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file >= 0) {
        if (write(file, line, length < (int)sizeof line ? length : (int)sizeof line - 1) < 0) { }
        close(file);
    }
    errno = before;
}

__attribute__((constructor)) static void begin(void) { note("started", program_invocation_name); }

static void judge(const char *what, const struct sockaddr *to) {
    char address[INET6_ADDRSTRLEN] = "";
    if (to == NULL) return;
    if (to->sa_family == AF_INET) {
        const struct in_addr *in = &((const struct sockaddr_in *)to)->sin_addr;
        if ((ntohl(in->s_addr) >> 24) == 127) return;
        inet_ntop(AF_INET, in, address, sizeof address);
    } else if (to->sa_family == AF_INET6) {
        const struct in6_addr *in = &((const struct sockaddr_in6 *)to)->sin6_addr;
        if (IN6_IS_ADDR_LOOPBACK(in)) return;
        inet_ntop(AF_INET6, in, address, sizeof address);
    } else return;
    note(what, address);
}

int connect(int fd, const struct sockaddr *to, socklen_t length) {
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    judge("connects", to);
    return real(fd, to, length);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "sendto");
    judge("sends", to);
    return real(fd, data, size, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    judge("sends", message ? message->msg_name : NULL);
    return real(fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags) {
    int (*real)(int, struct mmsghdr *, unsigned int, int) = dlsym(RTLD_NEXT, "sendmmsg");
    for (unsigned int i = 0; messages && i < count; i++) judge("sends", messages[i].msg_hdr.msg_name);
    return real(fd, messages, count, flags);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    struct in6_addr ignored;
    if (name && strcmp(name, "localhost") && !inet_pton(AF_INET, name, &ignored) && !inet_pton(AF_INET6, name, &ignored))
        note("looks_up", name);
    return real(name, service, hints, found);
}
