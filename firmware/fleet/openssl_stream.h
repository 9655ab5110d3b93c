/* TLS over any other stream by OpenSSL, for programs of a host: the server's certificate and name are verified. The library itself has no TLS. */
#ifndef FLEET_OPENSSL_STREAM_H
#define FLEET_OPENSSL_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "millrace/stream.h"

/* What all connections to a server share. */
struct openssl_client {
  SSL_CTX *context; /* NULL: not begun */
  BIO_METHOD *records;
  const char *server_name; /* a name, or an address, that must be in the server's certificate */
  char failure[256];       /* why the last handshake or connection failed, if TLS was the reason; empty: none did */
};

/* ca_file: PEM of the authorities that count; NULL: those of the system. False: `failure` says why, and there is still
 * an end to it. Both texts must outlive the client. */
bool openssl_client_init(struct openssl_client *client, const char *server_name, const char *ca_file);
void openssl_client_end(struct openssl_client *client);

struct openssl_stream {
  struct openssl_client *client;
  struct millrace_stream below; /* carries the records */
  const char *certificates;     /* a directory with NAME.pem and NAME.key, read at each connection; NULL: no certificate of the client's own */
  const char *name;
  SSL *ssl; /* NULL: the stream below is not connected yet */
  bool broken;
};

/* The texts must outlive the stream. */
void openssl_stream_init(struct openssl_stream *tls, struct openssl_client *client, struct millrace_stream below, const char *certificates, const char *name);

struct millrace_stream openssl_stream_port(struct openssl_stream *tls);

#endif
