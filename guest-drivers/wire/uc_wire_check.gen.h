/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Generated from uc_wire.h by scripts/wire-gen.ts. Do not edit.
 * Included once by every build of the wire format, so that the generator's offsets and
 * the compiler's cannot differ. The includer has offsetof. */
#ifndef UC_WIRE_CHECK_GEN_H
#define UC_WIRE_CHECK_GEN_H

#include "uc_wire.h"

#ifdef __cplusplus
#define UC_WIRE_ASSERT static_assert
#else
#define UC_WIRE_ASSERT _Static_assert
#endif

#define UC_WIRE_HASH 0x8b4e68adu

UC_WIRE_ASSERT(sizeof(struct uc_superblock) == 96, "uc_superblock");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, magic) == 0,
	"uc_superblock.magic");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->magic) == 8,
	"uc_superblock.magic");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, layout_version) == 8,
	"uc_superblock.layout_version");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->layout_version) == 4,
	"uc_superblock.layout_version");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, protocol_min) == 12,
	"uc_superblock.protocol_min");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->protocol_min) == 4,
	"uc_superblock.protocol_min");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, protocol_max) == 16,
	"uc_superblock.protocol_max");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->protocol_max) == 4,
	"uc_superblock.protocol_max");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, header_crc32c) == 20,
	"uc_superblock.header_crc32c");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->header_crc32c) == 4,
	"uc_superblock.header_crc32c");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, region_bytes) == 24,
	"uc_superblock.region_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->region_bytes) == 8,
	"uc_superblock.region_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, server_instance) == 32,
	"uc_superblock.server_instance");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->server_instance) == 16,
	"uc_superblock.server_instance");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, server_epoch) == 48,
	"uc_superblock.server_epoch");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->server_epoch) == 8,
	"uc_superblock.server_epoch");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, features_offered) == 56,
	"uc_superblock.features_offered");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->features_offered) == 8,
	"uc_superblock.features_offered");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, features_required) == 64,
	"uc_superblock.features_required");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->features_required) == 8,
	"uc_superblock.features_required");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, wire_hash) == 72,
	"uc_superblock.wire_hash");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->wire_hash) == 4,
	"uc_superblock.wire_hash");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, record_bytes_max) == 76,
	"uc_superblock.record_bytes_max");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->record_bytes_max) == 4,
	"uc_superblock.record_bytes_max");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, directory_count) == 80,
	"uc_superblock.directory_count");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->directory_count) == 4,
	"uc_superblock.directory_count");
UC_WIRE_ASSERT(offsetof(struct uc_superblock, reserved) == 84,
	"uc_superblock.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_superblock *)0)->reserved) == 12,
	"uc_superblock.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_directory_entry) == 48, "uc_directory_entry");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, kind) == 0,
	"uc_directory_entry.kind");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->kind) == 4,
	"uc_directory_entry.kind");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, flags) == 4,
	"uc_directory_entry.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->flags) == 4,
	"uc_directory_entry.flags");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, lane) == 8,
	"uc_directory_entry.lane");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->lane) == 4,
	"uc_directory_entry.lane");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, capacity_log2) == 12,
	"uc_directory_entry.capacity_log2");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->capacity_log2) == 4,
	"uc_directory_entry.capacity_log2");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, producer_offset) == 16,
	"uc_directory_entry.producer_offset");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->producer_offset) == 8,
	"uc_directory_entry.producer_offset");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, consumer_offset) == 24,
	"uc_directory_entry.consumer_offset");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->consumer_offset) == 8,
	"uc_directory_entry.consumer_offset");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, ring_offset) == 32,
	"uc_directory_entry.ring_offset");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->ring_offset) == 8,
	"uc_directory_entry.ring_offset");
UC_WIRE_ASSERT(offsetof(struct uc_directory_entry, reserved) == 40,
	"uc_directory_entry.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_directory_entry *)0)->reserved) == 8,
	"uc_directory_entry.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_hello) == 296, "uc_hello");
UC_WIRE_ASSERT(offsetof(struct uc_hello, hello_seq) == 0,
	"uc_hello.hello_seq");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->hello_seq) == 8,
	"uc_hello.hello_seq");
UC_WIRE_ASSERT(offsetof(struct uc_hello, protocol) == 8,
	"uc_hello.protocol");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->protocol) == 4,
	"uc_hello.protocol");
UC_WIRE_ASSERT(offsetof(struct uc_hello, wire_hash) == 12,
	"uc_hello.wire_hash");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->wire_hash) == 4,
	"uc_hello.wire_hash");
UC_WIRE_ASSERT(offsetof(struct uc_hello, features_accepted) == 16,
	"uc_hello.features_accepted");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->features_accepted) == 8,
	"uc_hello.features_accepted");
UC_WIRE_ASSERT(offsetof(struct uc_hello, capabilities) == 24,
	"uc_hello.capabilities");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->capabilities) == 8,
	"uc_hello.capabilities");
UC_WIRE_ASSERT(offsetof(struct uc_hello, boot_id) == 32,
	"uc_hello.boot_id");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->boot_id) == 16,
	"uc_hello.boot_id");
UC_WIRE_ASSERT(offsetof(struct uc_hello, attach_ns) == 48,
	"uc_hello.attach_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->attach_ns) == 8,
	"uc_hello.attach_ns");
UC_WIRE_ASSERT(offsetof(struct uc_hello, server_epoch) == 56,
	"uc_hello.server_epoch");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->server_epoch) == 8,
	"uc_hello.server_epoch");
UC_WIRE_ASSERT(offsetof(struct uc_hello, map_kind) == 64,
	"uc_hello.map_kind");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->map_kind) == 4,
	"uc_hello.map_kind");
UC_WIRE_ASSERT(offsetof(struct uc_hello, cpu_count) == 68,
	"uc_hello.cpu_count");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->cpu_count) == 4,
	"uc_hello.cpu_count");
UC_WIRE_ASSERT(offsetof(struct uc_hello, os) == 72,
	"uc_hello.os");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->os) == 4,
	"uc_hello.os");
UC_WIRE_ASSERT(offsetof(struct uc_hello, reserved) == 76,
	"uc_hello.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->reserved) == 4,
	"uc_hello.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_hello, clock_boottime_ns) == 80,
	"uc_hello.clock_boottime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->clock_boottime_ns) == 8,
	"uc_hello.clock_boottime_ns");
UC_WIRE_ASSERT(offsetof(struct uc_hello, clock_realtime_ns) == 88,
	"uc_hello.clock_realtime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->clock_realtime_ns) == 8,
	"uc_hello.clock_realtime_ns");
UC_WIRE_ASSERT(offsetof(struct uc_hello, sequence) == 96,
	"uc_hello.sequence");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->sequence) == 8,
	"uc_hello.sequence");
UC_WIRE_ASSERT(offsetof(struct uc_hello, driver_version) == 104,
	"uc_hello.driver_version");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->driver_version) == 64,
	"uc_hello.driver_version");
UC_WIRE_ASSERT(offsetof(struct uc_hello, os_version) == 168,
	"uc_hello.os_version");
UC_WIRE_ASSERT(sizeof(((struct uc_hello *)0)->os_version) == 128,
	"uc_hello.os_version");

UC_WIRE_ASSERT(sizeof(struct uc_session) == 88, "uc_session");
UC_WIRE_ASSERT(offsetof(struct uc_session, state) == 0,
	"uc_session.state");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->state) == 4,
	"uc_session.state");
UC_WIRE_ASSERT(offsetof(struct uc_session, session_id) == 4,
	"uc_session.session_id");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->session_id) == 4,
	"uc_session.session_id");
UC_WIRE_ASSERT(offsetof(struct uc_session, hello_seq) == 8,
	"uc_session.hello_seq");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->hello_seq) == 8,
	"uc_session.hello_seq");
UC_WIRE_ASSERT(offsetof(struct uc_session, boot_id) == 16,
	"uc_session.boot_id");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->boot_id) == 16,
	"uc_session.boot_id");
UC_WIRE_ASSERT(offsetof(struct uc_session, features) == 32,
	"uc_session.features");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->features) == 8,
	"uc_session.features");
UC_WIRE_ASSERT(offsetof(struct uc_session, guest_id) == 40,
	"uc_session.guest_id");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->guest_id) == 16,
	"uc_session.guest_id");
UC_WIRE_ASSERT(offsetof(struct uc_session, server_epoch) == 56,
	"uc_session.server_epoch");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->server_epoch) == 8,
	"uc_session.server_epoch");
UC_WIRE_ASSERT(offsetof(struct uc_session, heartbeat) == 64,
	"uc_session.heartbeat");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->heartbeat) == 8,
	"uc_session.heartbeat");
UC_WIRE_ASSERT(offsetof(struct uc_session, reason) == 72,
	"uc_session.reason");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->reason) == 4,
	"uc_session.reason");
UC_WIRE_ASSERT(offsetof(struct uc_session, reserved) == 76,
	"uc_session.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->reserved) == 4,
	"uc_session.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_session, server_realtime_ns) == 80,
	"uc_session.server_realtime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_session *)0)->server_realtime_ns) == 8,
	"uc_session.server_realtime_ns");

UC_WIRE_ASSERT(sizeof(struct uc_status) == 680, "uc_status");
UC_WIRE_ASSERT(offsetof(struct uc_status, heartbeat) == 0,
	"uc_status.heartbeat");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->heartbeat) == 8,
	"uc_status.heartbeat");
UC_WIRE_ASSERT(offsetof(struct uc_status, boottime_ns) == 8,
	"uc_status.boottime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->boottime_ns) == 8,
	"uc_status.boottime_ns");
UC_WIRE_ASSERT(offsetof(struct uc_status, sequence) == 16,
	"uc_status.sequence");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->sequence) == 8,
	"uc_status.sequence");
UC_WIRE_ASSERT(offsetof(struct uc_status, sensors) == 24,
	"uc_status.sensors");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->sensors) == 8,
	"uc_status.sensors");
UC_WIRE_ASSERT(offsetof(struct uc_status, rules_generation) == 32,
	"uc_status.rules_generation");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->rules_generation) == 8,
	"uc_status.rules_generation");
UC_WIRE_ASSERT(offsetof(struct uc_status, verdicts_allowed) == 40,
	"uc_status.verdicts_allowed");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->verdicts_allowed) == 8,
	"uc_status.verdicts_allowed");
UC_WIRE_ASSERT(offsetof(struct uc_status, verdicts_denied) == 48,
	"uc_status.verdicts_denied");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->verdicts_denied) == 8,
	"uc_status.verdicts_denied");
UC_WIRE_ASSERT(offsetof(struct uc_status, fields_truncated) == 56,
	"uc_status.fields_truncated");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->fields_truncated) == 8,
	"uc_status.fields_truncated");
UC_WIRE_ASSERT(offsetof(struct uc_status, commands_done) == 64,
	"uc_status.commands_done");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->commands_done) == 8,
	"uc_status.commands_done");
UC_WIRE_ASSERT(offsetof(struct uc_status, commands_failed) == 72,
	"uc_status.commands_failed");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->commands_failed) == 8,
	"uc_status.commands_failed");
UC_WIRE_ASSERT(offsetof(struct uc_status, hashes_done) == 80,
	"uc_status.hashes_done");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->hashes_done) == 8,
	"uc_status.hashes_done");
UC_WIRE_ASSERT(offsetof(struct uc_status, hashes_skipped) == 88,
	"uc_status.hashes_skipped");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->hashes_skipped) == 8,
	"uc_status.hashes_skipped");
UC_WIRE_ASSERT(offsetof(struct uc_status, reserved) == 96,
	"uc_status.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->reserved) == 8,
	"uc_status.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_status, lost) == 104,
	"uc_status.lost");
UC_WIRE_ASSERT(sizeof(((struct uc_status *)0)->lost) == 576,
	"uc_status.lost");

UC_WIRE_ASSERT(sizeof(struct uc_ring_producer) == 144, "uc_ring_producer");
UC_WIRE_ASSERT(offsetof(struct uc_ring_producer, tail) == 0,
	"uc_ring_producer.tail");
UC_WIRE_ASSERT(sizeof(((struct uc_ring_producer *)0)->tail) == 8,
	"uc_ring_producer.tail");
UC_WIRE_ASSERT(offsetof(struct uc_ring_producer, reserved) == 8,
	"uc_ring_producer.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_ring_producer *)0)->reserved) == 120,
	"uc_ring_producer.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_ring_producer, attempted) == 128,
	"uc_ring_producer.attempted");
UC_WIRE_ASSERT(sizeof(((struct uc_ring_producer *)0)->attempted) == 8,
	"uc_ring_producer.attempted");
UC_WIRE_ASSERT(offsetof(struct uc_ring_producer, dropped) == 136,
	"uc_ring_producer.dropped");
UC_WIRE_ASSERT(sizeof(((struct uc_ring_producer *)0)->dropped) == 8,
	"uc_ring_producer.dropped");

UC_WIRE_ASSERT(sizeof(struct uc_ring_consumer) == 136, "uc_ring_consumer");
UC_WIRE_ASSERT(offsetof(struct uc_ring_consumer, head) == 0,
	"uc_ring_consumer.head");
UC_WIRE_ASSERT(sizeof(((struct uc_ring_consumer *)0)->head) == 8,
	"uc_ring_consumer.head");
UC_WIRE_ASSERT(offsetof(struct uc_ring_consumer, reserved) == 8,
	"uc_ring_consumer.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_ring_consumer *)0)->reserved) == 120,
	"uc_ring_consumer.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_ring_consumer, wake_at) == 128,
	"uc_ring_consumer.wake_at");
UC_WIRE_ASSERT(sizeof(((struct uc_ring_consumer *)0)->wake_at) == 8,
	"uc_ring_consumer.wake_at");

UC_WIRE_ASSERT(sizeof(struct uc_frame) == 16, "uc_frame");
UC_WIRE_ASSERT(offsetof(struct uc_frame, length) == 0,
	"uc_frame.length");
UC_WIRE_ASSERT(sizeof(((struct uc_frame *)0)->length) == 4,
	"uc_frame.length");
UC_WIRE_ASSERT(offsetof(struct uc_frame, type) == 4,
	"uc_frame.type");
UC_WIRE_ASSERT(sizeof(((struct uc_frame *)0)->type) == 2,
	"uc_frame.type");
UC_WIRE_ASSERT(offsetof(struct uc_frame, flags) == 6,
	"uc_frame.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_frame *)0)->flags) == 2,
	"uc_frame.flags");
UC_WIRE_ASSERT(offsetof(struct uc_frame, sequence) == 8,
	"uc_frame.sequence");
UC_WIRE_ASSERT(sizeof(((struct uc_frame *)0)->sequence) == 4,
	"uc_frame.sequence");
UC_WIRE_ASSERT(offsetof(struct uc_frame, check) == 12,
	"uc_frame.check");
UC_WIRE_ASSERT(sizeof(((struct uc_frame *)0)->check) == 4,
	"uc_frame.check");

UC_WIRE_ASSERT(sizeof(struct uc_event_header) == 64, "uc_event_header");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, sequence) == 0,
	"uc_event_header.sequence");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->sequence) == 8,
	"uc_event_header.sequence");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, boottime_ns) == 8,
	"uc_event_header.boottime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->boottime_ns) == 8,
	"uc_event_header.boottime_ns");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, process_start_ns) == 16,
	"uc_event_header.process_start_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->process_start_ns) == 8,
	"uc_event_header.process_start_ns");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, cgroup_id) == 24,
	"uc_event_header.cgroup_id");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->cgroup_id) == 8,
	"uc_event_header.cgroup_id");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, pid) == 32,
	"uc_event_header.pid");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->pid) == 4,
	"uc_event_header.pid");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, tid) == 36,
	"uc_event_header.tid");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->tid) == 4,
	"uc_event_header.tid");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, parent_pid) == 40,
	"uc_event_header.parent_pid");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->parent_pid) == 4,
	"uc_event_header.parent_pid");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, uid) == 44,
	"uc_event_header.uid");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->uid) == 4,
	"uc_event_header.uid");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, gid) == 48,
	"uc_event_header.gid");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->gid) == 4,
	"uc_event_header.gid");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, exec_generation) == 52,
	"uc_event_header.exec_generation");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->exec_generation) == 4,
	"uc_event_header.exec_generation");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, mount_namespace) == 56,
	"uc_event_header.mount_namespace");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->mount_namespace) == 4,
	"uc_event_header.mount_namespace");
UC_WIRE_ASSERT(offsetof(struct uc_event_header, cpu) == 60,
	"uc_event_header.cpu");
UC_WIRE_ASSERT(sizeof(((struct uc_event_header *)0)->cpu) == 4,
	"uc_event_header.cpu");

UC_WIRE_ASSERT(sizeof(struct uc_field) == 8, "uc_field");
UC_WIRE_ASSERT(offsetof(struct uc_field, type) == 0,
	"uc_field.type");
UC_WIRE_ASSERT(sizeof(((struct uc_field *)0)->type) == 2,
	"uc_field.type");
UC_WIRE_ASSERT(offsetof(struct uc_field, flags) == 2,
	"uc_field.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_field *)0)->flags) == 2,
	"uc_field.flags");
UC_WIRE_ASSERT(offsetof(struct uc_field, length) == 4,
	"uc_field.length");
UC_WIRE_ASSERT(sizeof(((struct uc_field *)0)->length) == 4,
	"uc_field.length");

UC_WIRE_ASSERT(sizeof(struct uc_process_fork) == 16, "uc_process_fork");
UC_WIRE_ASSERT(offsetof(struct uc_process_fork, child_start_ns) == 0,
	"uc_process_fork.child_start_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_process_fork *)0)->child_start_ns) == 8,
	"uc_process_fork.child_start_ns");
UC_WIRE_ASSERT(offsetof(struct uc_process_fork, child_pid) == 8,
	"uc_process_fork.child_pid");
UC_WIRE_ASSERT(sizeof(((struct uc_process_fork *)0)->child_pid) == 4,
	"uc_process_fork.child_pid");
UC_WIRE_ASSERT(offsetof(struct uc_process_fork, child_exec_generation) == 12,
	"uc_process_fork.child_exec_generation");
UC_WIRE_ASSERT(sizeof(((struct uc_process_fork *)0)->child_exec_generation) == 4,
	"uc_process_fork.child_exec_generation");

UC_WIRE_ASSERT(sizeof(struct uc_process_exec) == 48, "uc_process_exec");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, inode) == 0,
	"uc_process_exec.inode");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->inode) == 8,
	"uc_process_exec.inode");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, device) == 8,
	"uc_process_exec.device");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->device) == 8,
	"uc_process_exec.device");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, parent_start_ns) == 16,
	"uc_process_exec.parent_start_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->parent_start_ns) == 8,
	"uc_process_exec.parent_start_ns");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, parent_exec_generation) == 24,
	"uc_process_exec.parent_exec_generation");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->parent_exec_generation) == 4,
	"uc_process_exec.parent_exec_generation");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, mode) == 28,
	"uc_process_exec.mode");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->mode) == 4,
	"uc_process_exec.mode");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, argument_count) == 32,
	"uc_process_exec.argument_count");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->argument_count) == 4,
	"uc_process_exec.argument_count");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, argument_bytes) == 36,
	"uc_process_exec.argument_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->argument_bytes) == 4,
	"uc_process_exec.argument_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, effective_uid) == 40,
	"uc_process_exec.effective_uid");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->effective_uid) == 4,
	"uc_process_exec.effective_uid");
UC_WIRE_ASSERT(offsetof(struct uc_process_exec, flags) == 44,
	"uc_process_exec.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exec *)0)->flags) == 4,
	"uc_process_exec.flags");

UC_WIRE_ASSERT(sizeof(struct uc_process_exit) == 8, "uc_process_exit");
UC_WIRE_ASSERT(offsetof(struct uc_process_exit, exit_code) == 0,
	"uc_process_exit.exit_code");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exit *)0)->exit_code) == 4,
	"uc_process_exit.exit_code");
UC_WIRE_ASSERT(offsetof(struct uc_process_exit, signal) == 4,
	"uc_process_exit.signal");
UC_WIRE_ASSERT(sizeof(((struct uc_process_exit *)0)->signal) == 4,
	"uc_process_exit.signal");

UC_WIRE_ASSERT(sizeof(struct uc_process_hash) == 72, "uc_process_hash");
UC_WIRE_ASSERT(offsetof(struct uc_process_hash, exec_sequence) == 0,
	"uc_process_hash.exec_sequence");
UC_WIRE_ASSERT(sizeof(((struct uc_process_hash *)0)->exec_sequence) == 8,
	"uc_process_hash.exec_sequence");
UC_WIRE_ASSERT(offsetof(struct uc_process_hash, inode) == 8,
	"uc_process_hash.inode");
UC_WIRE_ASSERT(sizeof(((struct uc_process_hash *)0)->inode) == 8,
	"uc_process_hash.inode");
UC_WIRE_ASSERT(offsetof(struct uc_process_hash, device) == 16,
	"uc_process_hash.device");
UC_WIRE_ASSERT(sizeof(((struct uc_process_hash *)0)->device) == 8,
	"uc_process_hash.device");
UC_WIRE_ASSERT(offsetof(struct uc_process_hash, size_bytes) == 24,
	"uc_process_hash.size_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_process_hash *)0)->size_bytes) == 8,
	"uc_process_hash.size_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_process_hash, result) == 32,
	"uc_process_hash.result");
UC_WIRE_ASSERT(sizeof(((struct uc_process_hash *)0)->result) == 4,
	"uc_process_hash.result");
UC_WIRE_ASSERT(offsetof(struct uc_process_hash, reserved) == 36,
	"uc_process_hash.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_process_hash *)0)->reserved) == 4,
	"uc_process_hash.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_process_hash, sha256) == 40,
	"uc_process_hash.sha256");
UC_WIRE_ASSERT(sizeof(((struct uc_process_hash *)0)->sha256) == 32,
	"uc_process_hash.sha256");

UC_WIRE_ASSERT(sizeof(struct uc_image_load) == 32, "uc_image_load");
UC_WIRE_ASSERT(offsetof(struct uc_image_load, inode) == 0,
	"uc_image_load.inode");
UC_WIRE_ASSERT(sizeof(((struct uc_image_load *)0)->inode) == 8,
	"uc_image_load.inode");
UC_WIRE_ASSERT(offsetof(struct uc_image_load, device) == 8,
	"uc_image_load.device");
UC_WIRE_ASSERT(sizeof(((struct uc_image_load *)0)->device) == 8,
	"uc_image_load.device");
UC_WIRE_ASSERT(offsetof(struct uc_image_load, address) == 16,
	"uc_image_load.address");
UC_WIRE_ASSERT(sizeof(((struct uc_image_load *)0)->address) == 8,
	"uc_image_load.address");
UC_WIRE_ASSERT(offsetof(struct uc_image_load, size_bytes) == 24,
	"uc_image_load.size_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_image_load *)0)->size_bytes) == 8,
	"uc_image_load.size_bytes");

UC_WIRE_ASSERT(sizeof(struct uc_remote_thread) == 24, "uc_remote_thread");
UC_WIRE_ASSERT(offsetof(struct uc_remote_thread, target_start_ns) == 0,
	"uc_remote_thread.target_start_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_remote_thread *)0)->target_start_ns) == 8,
	"uc_remote_thread.target_start_ns");
UC_WIRE_ASSERT(offsetof(struct uc_remote_thread, start_address) == 8,
	"uc_remote_thread.start_address");
UC_WIRE_ASSERT(sizeof(((struct uc_remote_thread *)0)->start_address) == 8,
	"uc_remote_thread.start_address");
UC_WIRE_ASSERT(offsetof(struct uc_remote_thread, target_pid) == 16,
	"uc_remote_thread.target_pid");
UC_WIRE_ASSERT(sizeof(((struct uc_remote_thread *)0)->target_pid) == 4,
	"uc_remote_thread.target_pid");
UC_WIRE_ASSERT(offsetof(struct uc_remote_thread, target_tid) == 20,
	"uc_remote_thread.target_tid");
UC_WIRE_ASSERT(sizeof(((struct uc_remote_thread *)0)->target_tid) == 4,
	"uc_remote_thread.target_tid");

UC_WIRE_ASSERT(sizeof(struct uc_file_event) == 32, "uc_file_event");
UC_WIRE_ASSERT(offsetof(struct uc_file_event, inode) == 0,
	"uc_file_event.inode");
UC_WIRE_ASSERT(sizeof(((struct uc_file_event *)0)->inode) == 8,
	"uc_file_event.inode");
UC_WIRE_ASSERT(offsetof(struct uc_file_event, device) == 8,
	"uc_file_event.device");
UC_WIRE_ASSERT(sizeof(((struct uc_file_event *)0)->device) == 8,
	"uc_file_event.device");
UC_WIRE_ASSERT(offsetof(struct uc_file_event, size_bytes) == 16,
	"uc_file_event.size_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_file_event *)0)->size_bytes) == 8,
	"uc_file_event.size_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_file_event, mode) == 24,
	"uc_file_event.mode");
UC_WIRE_ASSERT(sizeof(((struct uc_file_event *)0)->mode) == 4,
	"uc_file_event.mode");
UC_WIRE_ASSERT(offsetof(struct uc_file_event, flags) == 28,
	"uc_file_event.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_file_event *)0)->flags) == 4,
	"uc_file_event.flags");

UC_WIRE_ASSERT(sizeof(struct uc_registry_event) == 16, "uc_registry_event");
UC_WIRE_ASSERT(offsetof(struct uc_registry_event, value_type) == 0,
	"uc_registry_event.value_type");
UC_WIRE_ASSERT(sizeof(((struct uc_registry_event *)0)->value_type) == 4,
	"uc_registry_event.value_type");
UC_WIRE_ASSERT(offsetof(struct uc_registry_event, data_bytes) == 4,
	"uc_registry_event.data_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_registry_event *)0)->data_bytes) == 4,
	"uc_registry_event.data_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_registry_event, status) == 8,
	"uc_registry_event.status");
UC_WIRE_ASSERT(sizeof(((struct uc_registry_event *)0)->status) == 4,
	"uc_registry_event.status");
UC_WIRE_ASSERT(offsetof(struct uc_registry_event, reserved) == 12,
	"uc_registry_event.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_registry_event *)0)->reserved) == 4,
	"uc_registry_event.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_socket_event) == 64, "uc_socket_event");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, socket_cookie) == 0,
	"uc_socket_event.socket_cookie");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->socket_cookie) == 8,
	"uc_socket_event.socket_cookie");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, local_address) == 8,
	"uc_socket_event.local_address");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->local_address) == 16,
	"uc_socket_event.local_address");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, remote_address) == 24,
	"uc_socket_event.remote_address");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->remote_address) == 16,
	"uc_socket_event.remote_address");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, local_port) == 40,
	"uc_socket_event.local_port");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->local_port) == 2,
	"uc_socket_event.local_port");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, remote_port) == 42,
	"uc_socket_event.remote_port");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->remote_port) == 2,
	"uc_socket_event.remote_port");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, family) == 44,
	"uc_socket_event.family");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->family) == 2,
	"uc_socket_event.family");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, protocol) == 46,
	"uc_socket_event.protocol");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->protocol) == 2,
	"uc_socket_event.protocol");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, network_namespace) == 48,
	"uc_socket_event.network_namespace");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->network_namespace) == 4,
	"uc_socket_event.network_namespace");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, result) == 52,
	"uc_socket_event.result");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->result) == 4,
	"uc_socket_event.result");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, query_type) == 56,
	"uc_socket_event.query_type");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->query_type) == 2,
	"uc_socket_event.query_type");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, transaction_id) == 58,
	"uc_socket_event.transaction_id");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->transaction_id) == 2,
	"uc_socket_event.transaction_id");
UC_WIRE_ASSERT(offsetof(struct uc_socket_event, reserved) == 60,
	"uc_socket_event.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_socket_event *)0)->reserved) == 4,
	"uc_socket_event.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_verdict) == 32, "uc_verdict");
UC_WIRE_ASSERT(offsetof(struct uc_verdict, rule_id) == 0,
	"uc_verdict.rule_id");
UC_WIRE_ASSERT(sizeof(((struct uc_verdict *)0)->rule_id) == 8,
	"uc_verdict.rule_id");
UC_WIRE_ASSERT(offsetof(struct uc_verdict, inode) == 8,
	"uc_verdict.inode");
UC_WIRE_ASSERT(sizeof(((struct uc_verdict *)0)->inode) == 8,
	"uc_verdict.inode");
UC_WIRE_ASSERT(offsetof(struct uc_verdict, device) == 16,
	"uc_verdict.device");
UC_WIRE_ASSERT(sizeof(((struct uc_verdict *)0)->device) == 8,
	"uc_verdict.device");
UC_WIRE_ASSERT(offsetof(struct uc_verdict, operation) == 24,
	"uc_verdict.operation");
UC_WIRE_ASSERT(sizeof(((struct uc_verdict *)0)->operation) == 4,
	"uc_verdict.operation");
UC_WIRE_ASSERT(offsetof(struct uc_verdict, verdict) == 28,
	"uc_verdict.verdict");
UC_WIRE_ASSERT(sizeof(((struct uc_verdict *)0)->verdict) == 4,
	"uc_verdict.verdict");

UC_WIRE_ASSERT(sizeof(struct uc_module_event) == 16, "uc_module_event");
UC_WIRE_ASSERT(offsetof(struct uc_module_event, size_bytes) == 0,
	"uc_module_event.size_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_module_event *)0)->size_bytes) == 8,
	"uc_module_event.size_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_module_event, taints) == 8,
	"uc_module_event.taints");
UC_WIRE_ASSERT(sizeof(((struct uc_module_event *)0)->taints) == 4,
	"uc_module_event.taints");
UC_WIRE_ASSERT(offsetof(struct uc_module_event, reserved) == 12,
	"uc_module_event.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_module_event *)0)->reserved) == 4,
	"uc_module_event.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_lost) == 32, "uc_lost");
UC_WIRE_ASSERT(offsetof(struct uc_lost, reason) == 0,
	"uc_lost.reason");
UC_WIRE_ASSERT(sizeof(((struct uc_lost *)0)->reason) == 4,
	"uc_lost.reason");
UC_WIRE_ASSERT(offsetof(struct uc_lost, record_class) == 4,
	"uc_lost.record_class");
UC_WIRE_ASSERT(sizeof(((struct uc_lost *)0)->record_class) == 4,
	"uc_lost.record_class");
UC_WIRE_ASSERT(offsetof(struct uc_lost, count) == 8,
	"uc_lost.count");
UC_WIRE_ASSERT(sizeof(((struct uc_lost *)0)->count) == 8,
	"uc_lost.count");
UC_WIRE_ASSERT(offsetof(struct uc_lost, first_sequence) == 16,
	"uc_lost.first_sequence");
UC_WIRE_ASSERT(sizeof(((struct uc_lost *)0)->first_sequence) == 8,
	"uc_lost.first_sequence");
UC_WIRE_ASSERT(offsetof(struct uc_lost, last_sequence) == 24,
	"uc_lost.last_sequence");
UC_WIRE_ASSERT(sizeof(((struct uc_lost *)0)->last_sequence) == 8,
	"uc_lost.last_sequence");

UC_WIRE_ASSERT(sizeof(struct uc_command_result) == 32, "uc_command_result");
UC_WIRE_ASSERT(offsetof(struct uc_command_result, command_id) == 0,
	"uc_command_result.command_id");
UC_WIRE_ASSERT(sizeof(((struct uc_command_result *)0)->command_id) == 8,
	"uc_command_result.command_id");
UC_WIRE_ASSERT(offsetof(struct uc_command_result, kind) == 8,
	"uc_command_result.kind");
UC_WIRE_ASSERT(sizeof(((struct uc_command_result *)0)->kind) == 4,
	"uc_command_result.kind");
UC_WIRE_ASSERT(offsetof(struct uc_command_result, result) == 12,
	"uc_command_result.result");
UC_WIRE_ASSERT(sizeof(((struct uc_command_result *)0)->result) == 4,
	"uc_command_result.result");
UC_WIRE_ASSERT(offsetof(struct uc_command_result, detail) == 16,
	"uc_command_result.detail");
UC_WIRE_ASSERT(sizeof(((struct uc_command_result *)0)->detail) == 4,
	"uc_command_result.detail");
UC_WIRE_ASSERT(offsetof(struct uc_command_result, reserved) == 20,
	"uc_command_result.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_command_result *)0)->reserved) == 4,
	"uc_command_result.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_command_result, value) == 24,
	"uc_command_result.value");
UC_WIRE_ASSERT(sizeof(((struct uc_command_result *)0)->value) == 8,
	"uc_command_result.value");

UC_WIRE_ASSERT(sizeof(struct uc_unregister) == 8, "uc_unregister");
UC_WIRE_ASSERT(offsetof(struct uc_unregister, reason) == 0,
	"uc_unregister.reason");
UC_WIRE_ASSERT(sizeof(((struct uc_unregister *)0)->reason) == 4,
	"uc_unregister.reason");
UC_WIRE_ASSERT(offsetof(struct uc_unregister, reserved) == 4,
	"uc_unregister.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_unregister *)0)->reserved) == 4,
	"uc_unregister.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_clock) == 16, "uc_clock");
UC_WIRE_ASSERT(offsetof(struct uc_clock, boottime_ns) == 0,
	"uc_clock.boottime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_clock *)0)->boottime_ns) == 8,
	"uc_clock.boottime_ns");
UC_WIRE_ASSERT(offsetof(struct uc_clock, realtime_ns) == 8,
	"uc_clock.realtime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_clock *)0)->realtime_ns) == 8,
	"uc_clock.realtime_ns");

UC_WIRE_ASSERT(sizeof(struct uc_volume) == 8, "uc_volume");
UC_WIRE_ASSERT(offsetof(struct uc_volume, state) == 0,
	"uc_volume.state");
UC_WIRE_ASSERT(sizeof(((struct uc_volume *)0)->state) == 4,
	"uc_volume.state");
UC_WIRE_ASSERT(offsetof(struct uc_volume, reserved) == 4,
	"uc_volume.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_volume *)0)->reserved) == 4,
	"uc_volume.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_packet) == 32, "uc_packet");
UC_WIRE_ASSERT(offsetof(struct uc_packet, realtime_ns) == 0,
	"uc_packet.realtime_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->realtime_ns) == 8,
	"uc_packet.realtime_ns");
UC_WIRE_ASSERT(offsetof(struct uc_packet, slot) == 8,
	"uc_packet.slot");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->slot) == 4,
	"uc_packet.slot");
UC_WIRE_ASSERT(offsetof(struct uc_packet, interface_index) == 12,
	"uc_packet.interface_index");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->interface_index) == 4,
	"uc_packet.interface_index");
UC_WIRE_ASSERT(offsetof(struct uc_packet, original_bytes) == 16,
	"uc_packet.original_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->original_bytes) == 4,
	"uc_packet.original_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_packet, captured_bytes) == 20,
	"uc_packet.captured_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->captured_bytes) == 4,
	"uc_packet.captured_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_packet, link_type) == 24,
	"uc_packet.link_type");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->link_type) == 2,
	"uc_packet.link_type");
UC_WIRE_ASSERT(offsetof(struct uc_packet, direction) == 26,
	"uc_packet.direction");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->direction) == 2,
	"uc_packet.direction");
UC_WIRE_ASSERT(offsetof(struct uc_packet, flags) == 28,
	"uc_packet.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_packet *)0)->flags) == 4,
	"uc_packet.flags");

UC_WIRE_ASSERT(sizeof(struct uc_redirect_status) == 88, "uc_redirect_status");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, slot) == 0,
	"uc_redirect_status.slot");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->slot) == 4,
	"uc_redirect_status.slot");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, state) == 4,
	"uc_redirect_status.state");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->state) == 4,
	"uc_redirect_status.state");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, mode) == 8,
	"uc_redirect_status.mode");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->mode) == 4,
	"uc_redirect_status.mode");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, detail) == 12,
	"uc_redirect_status.detail");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->detail) == 4,
	"uc_redirect_status.detail");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, seen) == 16,
	"uc_redirect_status.seen");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->seen) == 8,
	"uc_redirect_status.seen");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, kept) == 24,
	"uc_redirect_status.kept");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->kept) == 8,
	"uc_redirect_status.kept");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, shortened) == 32,
	"uc_redirect_status.shortened");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->shortened) == 8,
	"uc_redirect_status.shortened");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, lost_kernel) == 40,
	"uc_redirect_status.lost_kernel");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->lost_kernel) == 8,
	"uc_redirect_status.lost_kernel");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, lost_ring) == 48,
	"uc_redirect_status.lost_ring");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->lost_ring) == 8,
	"uc_redirect_status.lost_ring");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, dropped) == 56,
	"uc_redirect_status.dropped");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->dropped) == 8,
	"uc_redirect_status.dropped");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, forwarded) == 64,
	"uc_redirect_status.forwarded");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->forwarded) == 8,
	"uc_redirect_status.forwarded");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, seen_bytes) == 72,
	"uc_redirect_status.seen_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->seen_bytes) == 8,
	"uc_redirect_status.seen_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_redirect_status, kept_bytes) == 80,
	"uc_redirect_status.kept_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_redirect_status *)0)->kept_bytes) == 8,
	"uc_redirect_status.kept_bytes");

UC_WIRE_ASSERT(sizeof(struct uc_block_rule) == 64, "uc_block_rule");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, id) == 0,
	"uc_block_rule.id");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->id) == 8,
	"uc_block_rule.id");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, expires_ns) == 8,
	"uc_block_rule.expires_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->expires_ns) == 8,
	"uc_block_rule.expires_ns");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, slot) == 16,
	"uc_block_rule.slot");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->slot) == 4,
	"uc_block_rule.slot");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, action) == 20,
	"uc_block_rule.action");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->action) == 2,
	"uc_block_rule.action");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, family) == 22,
	"uc_block_rule.family");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->family) == 2,
	"uc_block_rule.family");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, remote_address) == 24,
	"uc_block_rule.remote_address");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->remote_address) == 16,
	"uc_block_rule.remote_address");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, local_address) == 40,
	"uc_block_rule.local_address");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->local_address) == 16,
	"uc_block_rule.local_address");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, remote_prefix) == 56,
	"uc_block_rule.remote_prefix");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->remote_prefix) == 1,
	"uc_block_rule.remote_prefix");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, local_prefix) == 57,
	"uc_block_rule.local_prefix");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->local_prefix) == 1,
	"uc_block_rule.local_prefix");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, protocol) == 58,
	"uc_block_rule.protocol");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->protocol) == 2,
	"uc_block_rule.protocol");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, remote_port) == 60,
	"uc_block_rule.remote_port");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->remote_port) == 2,
	"uc_block_rule.remote_port");
UC_WIRE_ASSERT(offsetof(struct uc_block_rule, local_port) == 62,
	"uc_block_rule.local_port");
UC_WIRE_ASSERT(sizeof(((struct uc_block_rule *)0)->local_port) == 2,
	"uc_block_rule.local_port");

UC_WIRE_ASSERT(sizeof(struct uc_command) == 24, "uc_command");
UC_WIRE_ASSERT(offsetof(struct uc_command, id) == 0,
	"uc_command.id");
UC_WIRE_ASSERT(sizeof(((struct uc_command *)0)->id) == 8,
	"uc_command.id");
UC_WIRE_ASSERT(offsetof(struct uc_command, deadline_ns) == 8,
	"uc_command.deadline_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_command *)0)->deadline_ns) == 8,
	"uc_command.deadline_ns");
UC_WIRE_ASSERT(offsetof(struct uc_command, kind) == 16,
	"uc_command.kind");
UC_WIRE_ASSERT(sizeof(((struct uc_command *)0)->kind) == 4,
	"uc_command.kind");
UC_WIRE_ASSERT(offsetof(struct uc_command, flags) == 20,
	"uc_command.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_command *)0)->flags) == 4,
	"uc_command.flags");

UC_WIRE_ASSERT(sizeof(struct uc_command_start_monitoring) == 8, "uc_command_start_monitoring");
UC_WIRE_ASSERT(offsetof(struct uc_command_start_monitoring, sensors) == 0,
	"uc_command_start_monitoring.sensors");
UC_WIRE_ASSERT(sizeof(((struct uc_command_start_monitoring *)0)->sensors) == 8,
	"uc_command_start_monitoring.sensors");

UC_WIRE_ASSERT(sizeof(struct uc_command_kill_process) == 16, "uc_command_kill_process");
UC_WIRE_ASSERT(offsetof(struct uc_command_kill_process, process_start_ns) == 0,
	"uc_command_kill_process.process_start_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_command_kill_process *)0)->process_start_ns) == 8,
	"uc_command_kill_process.process_start_ns");
UC_WIRE_ASSERT(offsetof(struct uc_command_kill_process, pid) == 8,
	"uc_command_kill_process.pid");
UC_WIRE_ASSERT(sizeof(((struct uc_command_kill_process *)0)->pid) == 4,
	"uc_command_kill_process.pid");
UC_WIRE_ASSERT(offsetof(struct uc_command_kill_process, exec_generation) == 12,
	"uc_command_kill_process.exec_generation");
UC_WIRE_ASSERT(sizeof(((struct uc_command_kill_process *)0)->exec_generation) == 4,
	"uc_command_kill_process.exec_generation");

UC_WIRE_ASSERT(sizeof(struct uc_command_redirect_start) == 72, "uc_command_redirect_start");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, slot) == 0,
	"uc_command_redirect_start.slot");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->slot) == 4,
	"uc_command_redirect_start.slot");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, lane) == 4,
	"uc_command_redirect_start.lane");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->lane) == 4,
	"uc_command_redirect_start.lane");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, mode) == 8,
	"uc_command_redirect_start.mode");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->mode) == 4,
	"uc_command_redirect_start.mode");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, snap_bytes) == 12,
	"uc_command_redirect_start.snap_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->snap_bytes) == 4,
	"uc_command_redirect_start.snap_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, flags) == 16,
	"uc_command_redirect_start.flags");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->flags) == 4,
	"uc_command_redirect_start.flags");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, reserved) == 20,
	"uc_command_redirect_start.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->reserved) == 4,
	"uc_command_redirect_start.reserved");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, guest_id) == 24,
	"uc_command_redirect_start.guest_id");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->guest_id) == 16,
	"uc_command_redirect_start.guest_id");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, interface_name) == 40,
	"uc_command_redirect_start.interface_name");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->interface_name) == 16,
	"uc_command_redirect_start.interface_name");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_start, uplink_name) == 56,
	"uc_command_redirect_start.uplink_name");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_start *)0)->uplink_name) == 16,
	"uc_command_redirect_start.uplink_name");

UC_WIRE_ASSERT(sizeof(struct uc_command_redirect_stop) == 8, "uc_command_redirect_stop");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_stop, slot) == 0,
	"uc_command_redirect_stop.slot");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_stop *)0)->slot) == 4,
	"uc_command_redirect_stop.slot");
UC_WIRE_ASSERT(offsetof(struct uc_command_redirect_stop, reserved) == 4,
	"uc_command_redirect_stop.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_command_redirect_stop *)0)->reserved) == 4,
	"uc_command_redirect_stop.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_command_rules_begin) == 16, "uc_command_rules_begin");
UC_WIRE_ASSERT(offsetof(struct uc_command_rules_begin, generation) == 0,
	"uc_command_rules_begin.generation");
UC_WIRE_ASSERT(sizeof(((struct uc_command_rules_begin *)0)->generation) == 8,
	"uc_command_rules_begin.generation");
UC_WIRE_ASSERT(offsetof(struct uc_command_rules_begin, rule_count) == 8,
	"uc_command_rules_begin.rule_count");
UC_WIRE_ASSERT(sizeof(((struct uc_command_rules_begin *)0)->rule_count) == 4,
	"uc_command_rules_begin.rule_count");
UC_WIRE_ASSERT(offsetof(struct uc_command_rules_begin, reserved) == 12,
	"uc_command_rules_begin.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_command_rules_begin *)0)->reserved) == 4,
	"uc_command_rules_begin.reserved");

UC_WIRE_ASSERT(sizeof(struct uc_command_rules_commit) == 8, "uc_command_rules_commit");
UC_WIRE_ASSERT(offsetof(struct uc_command_rules_commit, generation) == 0,
	"uc_command_rules_commit.generation");
UC_WIRE_ASSERT(sizeof(((struct uc_command_rules_commit *)0)->generation) == 8,
	"uc_command_rules_commit.generation");

UC_WIRE_ASSERT(sizeof(struct uc_rule) == 40, "uc_rule");
UC_WIRE_ASSERT(offsetof(struct uc_rule, id) == 0,
	"uc_rule.id");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->id) == 8,
	"uc_rule.id");
UC_WIRE_ASSERT(offsetof(struct uc_rule, expires_ns) == 8,
	"uc_rule.expires_ns");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->expires_ns) == 8,
	"uc_rule.expires_ns");
UC_WIRE_ASSERT(offsetof(struct uc_rule, operations) == 16,
	"uc_rule.operations");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->operations) == 4,
	"uc_rule.operations");
UC_WIRE_ASSERT(offsetof(struct uc_rule, match) == 20,
	"uc_rule.match");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->match) == 4,
	"uc_rule.match");
UC_WIRE_ASSERT(offsetof(struct uc_rule, verdict) == 24,
	"uc_rule.verdict");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->verdict) == 4,
	"uc_rule.verdict");
UC_WIRE_ASSERT(offsetof(struct uc_rule, uid) == 28,
	"uc_rule.uid");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->uid) == 4,
	"uc_rule.uid");
UC_WIRE_ASSERT(offsetof(struct uc_rule, pattern_bytes) == 32,
	"uc_rule.pattern_bytes");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->pattern_bytes) == 4,
	"uc_rule.pattern_bytes");
UC_WIRE_ASSERT(offsetof(struct uc_rule, reserved) == 36,
	"uc_rule.reserved");
UC_WIRE_ASSERT(sizeof(((struct uc_rule *)0)->reserved) == 4,
	"uc_rule.reserved");

#endif
