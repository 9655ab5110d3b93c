/* Byte stream over a non-blocking TCP socket watched by epoll. */
#ifndef FLEET_SOCKET_STREAM_H
#define FLEET_SOCKET_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "millrace/stream.h"

struct socket_stream {
  int epoll;
  int socket; /* -1: closed */
  const struct sockaddr_storage *address;
  socklen_t address_length;
  bool readable;      /* epoll said so, and not all was read since */
  bool writable;      /* connected, and the last send took all */
  bool watches_write; /* epoll reports when it becomes writable */
  void *owner;        /* epoll's data */
};

void socket_stream_init(struct socket_stream *stream, int epoll, const struct sockaddr_storage *address,
                        socklen_t address_length, void *owner);

/* Takes in what epoll reported. */
void socket_stream_report(struct socket_stream *stream, uint32_t events);

struct millrace_stream socket_stream_port(struct socket_stream *stream);

#endif
