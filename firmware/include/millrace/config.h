/* Every setting of the library with its meaning, range and default. Override with -D on the compiler's command line. */
#ifndef MILLRACE_CONFIG_H
#define MILLRACE_CONFIG_H

/* Largest MQTT payload of a frame in bytes, its 10-byte header included. 192 to 4096.
 * 280 because every IPv4 host takes a datagram of 576 bytes and little more can be relied on: 280 bytes with a 64-byte
 * topic make 392 bytes with plain TCP/IP and MQTT headers, and 501 with the largest IP and TCP options and TLS: one
 * packet, one radio burst, nothing to fragment. */
#ifndef MILLRACE_MAX_PAYLOAD
#define MILLRACE_MAX_PAYLOAD 280
#endif

/* A frame is sealed when its first sample is this old, in milliseconds. 1 to 2147483647. */
#ifndef MILLRACE_FLUSH_MS
#define MILLRACE_FLUSH_MS 1000
#endif

/* Most metrics in one firmware. 1 to 32: they are bits of a uint32_t. Costs 12 bytes of RAM each in a batcher. */
#ifndef MILLRACE_MAX_METRICS
#define MILLRACE_MAX_METRICS 16
#endif

/* A correction of the clock by at least this many milliseconds is a step: it seals the frame, and the new time holds
 * from the next sample on. Smaller ones are left alone, so that samples keep their distances. 1 to 60000. */
#ifndef MILLRACE_CLOCK_STEP_MS
#define MILLRACE_CLOCK_STEP_MS 250
#endif

/* A time of day before this is taken for a clock that lost its battery, in milliseconds since 1970. Default: 2024. */
#ifndef MILLRACE_EARLIEST_TIME_MS
#define MILLRACE_EARLIEST_TIME_MS 1704067200000
#endif

/* A time of day from this on is no time either: a receiver that lost count of its weeks, or garbage. Default: 2100. */
#ifndef MILLRACE_LATEST_TIME_MS
#define MILLRACE_LATEST_TIME_MS 4102444800000
#endif

/* First and longest ceiling of the random wait before reconnecting, in milliseconds. 1 to 3600000. */
#ifndef MILLRACE_RECONNECT_MIN_MS
#define MILLRACE_RECONNECT_MIN_MS 1000
#endif
#ifndef MILLRACE_RECONNECT_MAX_MS
#define MILLRACE_RECONNECT_MAX_MS 60000
#endif

/* A connection attempt, or a frame without its PUBACK, may take this long before the connection counts as dead, in
 * milliseconds. 1000 to 600000. */
#ifndef MILLRACE_RESPONSE_MS
#define MILLRACE_RESPONSE_MS 30000
#endif

/* MQTT keep alive in seconds. 5 to 65535. */
#ifndef MILLRACE_KEEP_ALIVE_S
#define MILLRACE_KEEP_ALIVE_S 60
#endif

#define MILLRACE_STATIC_ASSERT(name, condition) typedef char millrace_assert_##name[(condition) ? 1 : -1]

MILLRACE_STATIC_ASSERT(max_metrics_are_bits_of_32, MILLRACE_MAX_METRICS >= 1 && MILLRACE_MAX_METRICS <= 32);
MILLRACE_STATIC_ASSERT(max_payload_in_range, MILLRACE_MAX_PAYLOAD >= 192 && MILLRACE_MAX_PAYLOAD <= 4096);
MILLRACE_STATIC_ASSERT(flush_in_range, MILLRACE_FLUSH_MS >= 1);
MILLRACE_STATIC_ASSERT(step_in_range, MILLRACE_CLOCK_STEP_MS >= 1 && MILLRACE_CLOCK_STEP_MS <= 60000);
MILLRACE_STATIC_ASSERT(reconnect_in_order,
                       MILLRACE_RECONNECT_MIN_MS >= 1 && MILLRACE_RECONNECT_MIN_MS <= MILLRACE_RECONNECT_MAX_MS);

#endif
