/* TLS by BearSSL over any other stream: a hook below the MQTT client, for parts whose SDK has no TLS of its own or none
 * small enough. The server is authenticated by a trust anchor, the device by its MQTT password.
 *
 * buffer_size sets the cost: BR_SSL_BUFSIZE_BIDI (33,178 bytes) takes any server; BR_SSL_BUFSIZE_MONO (16,709) takes any,
 * half duplex; smaller ones need a server that honours the maximum fragment length (RFC 6066), which BearSSL asks for when
 * the buffer is small: 4096 + 325 bytes ask for 4096. */
#ifndef MILLRACE_BEARSSL_TLS_STREAM_H
#define MILLRACE_BEARSSL_TLS_STREAM_H

#include <bearssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "millrace/stream.h"

struct tls_stream {
  struct millrace_stream below; /* carries the records */
  const char *server_name;      /* must be in the server's certificate */
  br_ssl_client_context client;
  br_x509_minimal_context x509;
  unsigned char *buffer;
  size_t buffer_size;
  bool connected; /* the stream below is */
  bool started;   /* the handshake has begun */
};

/* The anchors must outlive the stream. entropy: 32 random bytes from the part's generator, other ones at each boot. */
void tls_stream_init(struct tls_stream *tls, struct millrace_stream below, const char *server_name,
                     const br_x509_trust_anchor *anchors, size_t anchor_count, unsigned char *buffer, size_t buffer_size,
                     const uint8_t entropy[32]);

/* Certificates are checked against this time of day. Without it no handshake succeeds: a device learns the time first. */
void tls_stream_set_time(struct tls_stream *tls, int64_t unix_ms);

struct millrace_stream tls_stream_port(struct tls_stream *tls);

#endif
