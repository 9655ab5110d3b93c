#define _GNU_SOURCE
#include "openssl_stream.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* What OpenSSL has against it, in its own words. */
static void say(struct openssl_client *client, const char *what) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  snprintf(client->failure, sizeof client->failure, "%s: %s", what, reason == NULL ? "no reason is known" : reason);
}

static int write_record(BIO *bio, const char *bytes, int length) {
  struct openssl_stream *tls = BIO_get_data(bio);
  int sent = tls->below.send(tls->below.context, (const uint8_t *)bytes, (uint16_t)(length > UINT16_MAX ? UINT16_MAX : length));
  BIO_clear_retry_flags(bio);
  if (sent == 0) BIO_set_retry_write(bio);
  return sent > 0 ? sent : -1;
}

static int read_record(BIO *bio, char *bytes, int length) {
  struct openssl_stream *tls = BIO_get_data(bio);
  int received = tls->below.receive(tls->below.context, (uint8_t *)bytes, (uint16_t)(length > UINT16_MAX ? UINT16_MAX : length));
  BIO_clear_retry_flags(bio);
  if (received == 0) BIO_set_retry_read(bio);
  return received > 0 ? received : -1;
}

static long control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  /* There is nothing to flush. */
  return command == BIO_CTRL_FLUSH;
}

static bool trust(SSL_CTX *context, const char *ca_file) {
  return ca_file == NULL ? SSL_CTX_set_default_verify_paths(context) == 1 : SSL_CTX_load_verify_file(context, ca_file) == 1;
}

bool openssl_client_init(struct openssl_client *client, const char *server_name, const char *ca_file) {
  memset(client, 0, sizeof *client);
  client->server_name = server_name;
  client->context = SSL_CTX_new(TLS_client_method());
  client->records = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace_stream");
  if (client->context == NULL || client->records == NULL || !BIO_meth_set_write(client->records, write_record) ||
      !BIO_meth_set_read(client->records, read_record) || !BIO_meth_set_ctrl(client->records, control)) {
    say(client, "TLS");
    return false;
  }
  if (!trust(client->context, ca_file)) {
    say(client, ca_file == NULL ? "the system's authorities" : ca_file);
    return false;
  }
  SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION);
  /* Thousands of connections that are mostly silent need no buffers meanwhile; and what has come is read at once. */
  SSL_CTX_set_mode(client->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(client->context, 1);
  return true;
}

void openssl_client_end(struct openssl_client *client) {
  SSL_CTX_free(client->context);
  BIO_meth_free(client->records);
  client->context = NULL;
  client->records = NULL;
}

void openssl_stream_init(struct openssl_stream *tls, struct openssl_client *client, struct millrace_stream below, const char *certificates, const char *name) {
  struct openssl_stream fresh = {client, below, certificates, name, NULL, false};
  *tls = fresh;
}

/* The name that the certificate must have. An address is no name (RFC 6066, section 3), and is compared as what it is. */
static bool expect_server(SSL *ssl, const char *server_name) {
  unsigned char address[16];
  if (inet_pton(AF_INET, server_name, address) == 1 || inet_pton(AF_INET6, server_name, address) == 1)
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name) == 1;
  return SSL_set1_host(ssl, server_name) == 1 && SSL_set_tlsext_host_name(ssl, server_name) == 1;
}

static bool use_certificate(struct openssl_stream *tls) {
  char path[512];
  if (tls->certificates == NULL) return true;
  snprintf(path, sizeof path, "%s/%s.pem", tls->certificates, tls->name);
  if (SSL_use_certificate_chain_file(tls->ssl, path) != 1) {
    say(tls->client, path);
    return false;
  }
  snprintf(path, sizeof path, "%s/%s.key", tls->certificates, tls->name);
  if (SSL_use_PrivateKey_file(tls->ssl, path, SSL_FILETYPE_PEM) == 1) return true;
  say(tls->client, path);
  return false;
}

static bool begin(struct openssl_stream *tls) {
  BIO *bio;
  ERR_clear_error();
  tls->broken = false;
  tls->ssl = SSL_new(tls->client->context);
  if (tls->ssl == NULL) return false;
  bio = BIO_new(tls->client->records);
  if (bio == NULL) return false;
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls->ssl, bio, bio);
  return expect_server(tls->ssl, tls->client->server_name) && use_certificate(tls);
}

/* What a step that took or gave no bytes means: 0 try again, < 0 the connection is gone. */
static int judge(struct openssl_stream *tls, int result) {
  switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return 0;
    case SSL_ERROR_SSL:
      if (SSL_get_verify_result(tls->ssl) == X509_V_OK)
        say(tls->client, tls->client->server_name);
      else
        snprintf(tls->client->failure, sizeof tls->client->failure, "%s: its certificate is not taken: %s", tls->client->server_name,
                 X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl)));
      /* fall through */
    default:
      tls->broken = true;
      return -1;
  }
}

static int open_stream(void *context) {
  struct openssl_stream *tls = context;
  int result;
  if (tls->ssl == NULL) {
    result = tls->below.open(tls->below.context);
    if (result <= 0) return result;
    if (!begin(tls)) {
      tls->broken = true;
      return -1;
    }
  }
  ERR_clear_error();
  result = SSL_connect(tls->ssl);
  return result > 0 ? 1 : judge(tls, result);
}

static int send_bytes(void *context, const uint8_t *bytes, uint16_t length) {
  struct openssl_stream *tls = context;
  int sent;
  ERR_clear_error();
  sent = SSL_write(tls->ssl, bytes, length);
  return sent > 0 ? sent : judge(tls, sent);
}

static int receive_bytes(void *context, uint8_t *bytes, uint16_t length) {
  struct openssl_stream *tls = context;
  int received;
  if (length == 0) return 0;
  ERR_clear_error();
  received = SSL_read(tls->ssl, bytes, length);
  return received > 0 ? received : judge(tls, received);
}

static void close_stream(void *context) {
  struct openssl_stream *tls = context;
  if (tls->ssl != NULL) {
    /* One attempt to say so, as with the farewell. */
    if (!tls->broken && SSL_is_init_finished(tls->ssl)) (void)SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    tls->ssl = NULL;
  }
  tls->below.close(tls->below.context);
}

struct millrace_stream openssl_stream_port(struct openssl_stream *tls) {
  struct millrace_stream port = {tls, open_stream, send_bytes, receive_bytes, close_stream};
  return port;
}
