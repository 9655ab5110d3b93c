#include "millrace_esp.h"

#include <errno.h>
#include <esp_timer.h>
#include <string.h>

#define SECTOR 4096

void millrace_esp_stream_init(struct millrace_esp_stream *stream, const char *host, int port, const char *ca,
                              const char *certificate, const char *key) {
  memset(stream, 0, sizeof *stream);
  stream->host = host;
  stream->port = port;
  stream->config.non_block = true;
  stream->config.timeout_ms = 30000;
  if (ca == NULL) {
    stream->config.is_plain_tcp = true;
    return;
  }
  /* esp-tls counts the final zero of PEM text. */
  stream->config.cacert_buf = (const unsigned char *)ca;
  stream->config.cacert_bytes = (unsigned)strlen(ca) + 1;
  if (certificate == NULL) return;
  stream->config.clientcert_buf = (const unsigned char *)certificate;
  stream->config.clientcert_bytes = (unsigned)strlen(certificate) + 1;
  stream->config.clientkey_buf = (const unsigned char *)key;
  stream->config.clientkey_bytes = (unsigned)strlen(key) + 1;
}

static int open_stream(void *context) {
  struct millrace_esp_stream *stream = context;
  int outcome;
  if (stream->connected) return 1;
  if (stream->tls == NULL) stream->tls = esp_tls_init();
  if (stream->tls == NULL) return -1;
  outcome = esp_tls_conn_new_async(stream->host, (int)strlen(stream->host), stream->port, &stream->config, stream->tls);
  stream->connected = outcome > 0;
  return outcome;
}

/* Bytes moved, or what the SDK says in place of them: esp-tls hands on the socket's errno when there is no TLS. */
static int moved(const struct millrace_esp_stream *stream, ssize_t count) {
  if (count > 0) return (int)count;
  if (stream->config.is_plain_tcp) return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
  return count == ESP_TLS_ERR_SSL_WANT_READ || count == ESP_TLS_ERR_SSL_WANT_WRITE ? 0 : -1;
}

static int send_bytes(void *context, const uint8_t *bytes, uint16_t length) {
  struct millrace_esp_stream *stream = context;
  return moved(stream, esp_tls_conn_write(stream->tls, bytes, length));
}

static int receive_bytes(void *context, uint8_t *bytes, uint16_t length) {
  struct millrace_esp_stream *stream = context;
  return moved(stream, esp_tls_conn_read(stream->tls, bytes, length));
}

static void close_stream(void *context) {
  struct millrace_esp_stream *stream = context;
  if (stream->tls != NULL) esp_tls_conn_destroy(stream->tls);
  stream->tls = NULL;
  stream->connected = false;
}

struct millrace_stream millrace_esp_stream_port(struct millrace_esp_stream *stream) {
  struct millrace_stream port = {stream, open_stream, send_bytes, receive_bytes, close_stream};
  return port;
}

static int flash_read(void *context, uint32_t offset, uint8_t *bytes, uint16_t length) {
  struct millrace_esp_region *region = context;
  return esp_partition_read(region->partition, region->first * SECTOR + offset, bytes, length) == ESP_OK ? 0 : -1;
}

static int flash_program(void *context, uint32_t offset, const uint8_t *bytes, uint16_t length) {
  struct millrace_esp_region *region = context;
  return esp_partition_write(region->partition, region->first * SECTOR + offset, bytes, length) == ESP_OK ? 0 : -1;
}

static int flash_erase(void *context, uint32_t sector) {
  struct millrace_esp_region *region = context;
  return esp_partition_erase_range(region->partition, (region->first + sector) * SECTOR, SECTOR) == ESP_OK ? 0 : -1;
}

esp_err_t millrace_esp_region_init(struct millrace_esp_region *region, const char *label, uint32_t first, uint32_t count,
                                   struct millrace_flash *flash) {
  region->partition = esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_ANY, label);
  region->first = first;
  if (region->partition == NULL || region->partition->size < (first + count) * SECTOR) return ESP_ERR_NOT_FOUND;
  /* An encrypted partition does not read as 0xFF where it is erased. */
  if (region->partition->encrypted) return ESP_ERR_NOT_SUPPORTED;
  flash->context = region;
  flash->sector_size = SECTOR;
  flash->sector_count = count;
  flash->write_unit = 4;
  flash->read = flash_read;
  flash->program = flash_program;
  flash->erase = flash_erase;
  return ESP_OK;
}

uint32_t millrace_esp_now_ms(void *context) {
  (void)context;
  return (uint32_t)(esp_timer_get_time() / 1000);
}
