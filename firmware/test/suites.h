/* The suites: those of the library run on every target, those of programs on the host. */
#ifndef SUITES_H
#define SUITES_H

void frame_tests(void);
void batcher_tests(void);
void store_tests(void);
void flash_tests(void);
void power_cut_tests(void);
void mqtt_tests(void);
void flash_damage_tests(void);
void boot_tests(void);
void publisher_tests(void);
void publisher_recovery_tests(void);
void fleet_tests(void);
void session_tests(void);
void program_tests(void);
void network_cut_tests(void);

#endif
