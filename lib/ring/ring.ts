// SPDX-License-Identifier: Apache-2.0
// Face of the ring room: both ends of a ring over memory of this process, in TypeScript, with the
// results of the native drain to the last number.
export { BufferRingConsumer, type ConsumerOptions } from "./consumer.ts";
export { BufferRingProducer, type ProducerOptions } from "./producer.ts";
