/* tls_load PORT shake N C: N full TLS handshakes (no resumption), C at a time, one epoll thread; each connection ends
   with close_notify both ways. tls_load PORT hold N plain|tls: opens N connections, says so, and keeps them until its
   standard input ends. Loopback only; the certificate is not checked. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};
static SSL_CTX *context;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void die(const char *s) { perror(s); exit(1); }

static int open_connection(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  if (fd < 0) die("socket");
  if (connect(fd, (void *)&address, sizeof address)) die("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static SSL *start_tls(int fd) {
  SSL *ssl = SSL_new(context);
  if (!ssl || !SSL_set_fd(ssl, fd)) die("SSL_new");
  SSL_set_connect_state(ssl);
  return ssl;
}

struct conn { int fd, closing; SSL *ssl; };

static void begin(int ep, struct conn *c) {
  c->fd = open_connection();
  c->closing = 0;
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  c->ssl = start_tls(c->fd);
  struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
}

/* 1: this connection is over. Reading is all that it ever waits for: what it writes fits the socket's buffer. */
static int advance(struct conn *c) {
  if (!c->closing) {
    int r = SSL_do_handshake(c->ssl);
    if (r != 1) {
      if (SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_READ) return 0;
      fprintf(stderr, "a handshake failed\n"); exit(1);
    }
    if (SSL_session_reused(c->ssl)) { fprintf(stderr, "a session was resumed\n"); exit(1); }
    c->closing = 1;
    SSL_shutdown(c->ssl);
  }
  char in[4096];
  int r = SSL_read(c->ssl, in, sizeof in);         /* tickets, then the server's close_notify */
  if (r > 0) return 0;
  return SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_READ;
}

static int shake(long n, long at_once) {
  int ep = epoll_create1(EPOLL_CLOEXEC);
  struct conn *conns = calloc(at_once, sizeof *conns);
  long started = 0, done = 0;
  double t0 = now();
  for (long i = 0; i < at_once && started < n; i++, started++) { begin(ep, &conns[i]); advance(&conns[i]); }
  struct epoll_event evs[256];
  while (done < n) {
    int k = epoll_wait(ep, evs, 256, 10000);
    if (k == 0) { fprintf(stderr, "nothing happened for 10 s\n"); return 1; }
    for (int i = 0; i < k; i++) {
      struct conn *c = evs[i].data.ptr;
      if (!advance(c)) continue;
      done++;
      SSL_free(c->ssl);
      close(c->fd);
      if (started < n) { started++; begin(ep, c); advance(c); }
    }
  }
  double d = now() - t0;
  struct rusage ru; getrusage(RUSAGE_SELF, &ru);
  double cpu = ru.ru_utime.tv_sec + ru.ru_utime.tv_usec / 1e6 + ru.ru_stime.tv_sec + ru.ru_stime.tv_usec / 1e6;
  printf("tls_load: n=%ld c=%ld wall=%.4f rps=%.0f cpu/req=%.3fus\n", n, at_once, d, n / d, cpu / n * 1e6);
  return 0;
}

static int hold(long n, int tls) {
  for (long i = 0; i < n; i++) {
    int fd = open_connection();
    if (!tls) continue;
    SSL *ssl = start_tls(fd);
    if (SSL_connect(ssl) != 1) { fprintf(stderr, "handshake %ld failed\n", i); return 1; }
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_fd(ssl, -1);
    SSL_free(ssl);                                  /* the connection stays open: only we forget it */
  }
  printf("tls_load: holding=%ld\n", n);
  fflush(stdout);
  char in[64];
  while (read(0, in, sizeof in) > 0) {}
  return 0;
}

int main(int ac, char **av) {
  if (ac < 5) { fprintf(stderr, "usage: tls_load PORT shake N C | PORT hold N plain|tls\n"); return 2; }
  address.sin_port = htons(atoi(av[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  context = SSL_CTX_new(TLS_client_method());
  if (!context) die("SSL_CTX_new");
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (!strcmp(av[2], "shake")) return shake(atol(av[3]), atol(av[4]));
  if (!strcmp(av[2], "hold")) return hold(atol(av[3]), !strcmp(av[4], "tls"));
  return 2;
}
