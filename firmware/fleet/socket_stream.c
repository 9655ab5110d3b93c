#define _GNU_SOURCE
#include "socket_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

void socket_stream_init(struct socket_stream *stream, int epoll, const struct sockaddr_storage *address,
                        socklen_t address_length, void *owner) {
  stream->epoll = epoll;
  stream->socket = -1;
  stream->address = address;
  stream->address_length = address_length;
  stream->readable = false;
  stream->writable = false;
  stream->watches_write = false;
  stream->owner = owner;
}

void socket_stream_report(struct socket_stream *stream, uint32_t events) {
  if ((events & EPOLLOUT) != 0) stream->writable = true;
  /* An error is found by reading. */
  if ((events & ~(uint32_t)EPOLLOUT) != 0) stream->readable = true;
}

static int watch(struct socket_stream *stream, int operation, bool write) {
  struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = stream->owner};
  stream->watches_write = write;
  return epoll_ctl(stream->epoll, operation, stream->socket, &event);
}

static void close_stream(void *context) {
  struct socket_stream *stream = context;
  if (stream->socket >= 0) close(stream->socket);
  stream->socket = -1;
}

static int open_stream(void *context) {
  struct socket_stream *stream = context;
  int error = 0;
  socklen_t length = sizeof error;

  if (stream->socket < 0) {
    int one = 1;
    stream->socket = socket(stream->address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->socket < 0) return -1;
    stream->readable = false;
    stream->writable = false;
    /* Packets are gathered in the transmit buffer; the kernel need not wait for more. */
    setsockopt(stream->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(stream->socket, (const struct sockaddr *)stream->address, stream->address_length) != 0 &&
        errno != EINPROGRESS)
      return -1;
    return watch(stream, EPOLL_CTL_ADD, true);
  }
  if (!stream->writable) return stream->readable ? -1 : 0;
  if (getsockopt(stream->socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) return -1;
  return watch(stream, EPOLL_CTL_MOD, false) == 0 ? 1 : -1;
}

static int send_bytes(void *context, const uint8_t *bytes, uint16_t length) {
  struct socket_stream *stream = context;
  ssize_t sent;
  if (!stream->writable) return 0;
  sent = send(stream->socket, bytes, length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return -1;
  if (sent == length) {
    if (stream->watches_write) watch(stream, EPOLL_CTL_MOD, false);
    return (int)sent;
  }
  stream->writable = false;
  if (!stream->watches_write && watch(stream, EPOLL_CTL_MOD, true) != 0) return -1;
  return sent < 0 ? 0 : (int)sent;
}

static int receive_bytes(void *context, uint8_t *bytes, uint16_t length) {
  struct socket_stream *stream = context;
  ssize_t received;
  /* Without this every poll would cost a system call that finds nothing. */
  if (!stream->readable || length == 0) return 0;
  received = recv(stream->socket, bytes, length, 0);
  if (received == 0) return -1;
  if (received < 0) {
    if (errno != EAGAIN && errno != EINTR) return -1;
    stream->readable = false;
    return 0;
  }
  /* Level-triggered: epoll says so again when there is more. */
  if (received < length) stream->readable = false;
  return (int)received;
}

struct millrace_stream socket_stream_port(struct socket_stream *stream) {
  struct millrace_stream port = {stream, open_stream, send_bytes, receive_bytes, close_stream};
  return port;
}
