/* Generated from schemas/firmware by make generate. Do not edit. */
#ifndef MILLRACE_GENERATED_FIRMWARES_H
#define MILLRACE_GENERATED_FIRMWARES_H

#include "hive_1.h"
#include "hive_2.h"
#include "hive_3.h"
#include "plant_1.h"

/* X(name) for each firmware: its schema is name##_schema, its metrics are name##_metrics. */
#define MILLRACE_FIRMWARES(X) X(hive_1) X(hive_2) X(hive_3) X(plant_1)

/* For messages. */
#define MILLRACE_FIRMWARE_NAMES "hive-1, hive-2, hive-3 or plant-1"

#endif
