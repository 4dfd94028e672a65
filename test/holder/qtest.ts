// SPDX-License-Identifier: Apache-2.0
// A QEMU without a guest: its ivshmem-doorbell device is driven by the test through QEMU's qtest
// protocol (docs/devel/testing/qtest), as a guest's firmware and driver would.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { LineProcess, until } from "./programs.ts";

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const IVSHMEM = 0x1110_1af4;
const BAR = { registers: 0xe000_0000, interrupts: 0xe100_0000, memory: 0xe400_0000 };
const COMMAND_MEMORY_AND_BUS = 0x6;
const CAPABILITY_MSIX = 0x11;
const MSIX_ENABLE = 0x8000_0000;
const MSIX_ENTRY_BYTES = 16;

/** One QEMU and its device. */
export class QtestGuest {
  readonly process: LineProcess;
  readonly #socket: Socket;
  readonly #answers: string[] = [];
  #device = 0;

  private constructor(process: LineProcess, socket: Socket) {
    this.process = process;
    this.#socket = socket;
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString();
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      this.#answers.push(...lines.filter((line) => !line.startsWith("IRQ")));
    });
  }

  /** Arguments of a QEMU whose device asks that socket. */
  static arguments(doorbell: string, qtest: string): string[] {
    return [
      ...["-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc"],
      ...["-accel", "tcg", "-S", "-m", "64", "-qtest", `unix:${qtest},server=on,wait=off`],
      ...["-chardev", `socket,id=doorbell,path=${doorbell}`],
      ...["-device", "ivshmem-doorbell,chardev=doorbell,vectors=2"],
    ];
  }

  /** Starts QEMU and brings its device up: registers, memory and interrupts mapped. */
  static async start(doorbell: string, qtest: string): Promise<QtestGuest> {
    const args = QtestGuest.arguments(doorbell, qtest);
    const process = new LineProcess("qemu-system-x86_64", args);
    let socket: Socket | undefined;
    for (;;) {
      socket = connect(qtest);
      const [error] = await Promise.race([once(socket, "connect"), once(socket, "error")]).catch(
        (cause: Error) => [cause],
      );
      if (error === undefined) break;
      if (process.isEnded) throw new Error(`QEMU ended: ${process.errors.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const guest = new QtestGuest(process, socket);
    await guest.#bringUp();
    return guest;
  }

  /** The id that the device was given. */
  position(): Promise<number> {
    return this.#read(BAR.registers + 8);
  }

  /** Stores in the doorbell register. */
  async ring(peer: number, vector: number): Promise<void> {
    await this.#ask(`writel ${BAR.registers + 12} ${peer * 0x1_0000 + vector}`);
  }

  async poke(offset: number, value: number): Promise<void> {
    await this.#ask(`writeb ${BAR.memory + offset} ${value}`);
  }

  async peek(offset: number): Promise<number> {
    return (await this.#read(BAR.memory + offset)) & 0xff;
  }

  /** Has an interrupt store a word in the machine's memory, where {@link load} finds it. */
  async aimInterrupt(vector: number, address: number, data: number): Promise<void> {
    const entry = BAR.interrupts + vector * MSIX_ENTRY_BYTES;
    for (const [at, value] of [address, 0, data, 0].entries()) {
      await this.#ask(`writel ${entry + at * 4} ${value}`);
    }
  }

  load(address: number): Promise<number> {
    return this.#read(address);
  }

  async store(address: number, value: number): Promise<void> {
    await this.#ask(`writel ${address} ${value}`);
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    await this.process.kill();
  }

  async #bringUp(): Promise<void> {
    for (let slot = 0; slot < 32 && this.#device === 0; slot++) {
      const place = 0x8000_0000 + slot * 0x800;
      if ((await this.#config(place)) === IVSHMEM) this.#device = place;
    }
    if (this.#device === 0) throw new Error("QEMU has no ivshmem device");
    await this.#setConfig(0x10, BAR.registers);
    await this.#setConfig(0x14, BAR.interrupts);
    await this.#setConfig(0x18, BAR.memory);
    await this.#setConfig(0x1c, 0);
    await this.#setConfig(0x04, COMMAND_MEMORY_AND_BUS);
    let capability = (await this.#config(this.#device + 0x34)) & 0xff;
    while (capability !== 0) {
      const head = await this.#config(this.#device + capability);
      if ((head & 0xff) === CAPABILITY_MSIX) {
        await this.#setConfig(capability, (head | MSIX_ENABLE) >>> 0);
        return;
      }
      capability = (head >>> 8) & 0xff;
    }
    throw new Error("the device has no MSI-X");
  }

  async #config(place: number): Promise<number> {
    await this.#ask(`outl ${CONFIG_ADDRESS} ${place}`);
    return Number((await this.#ask(`inl ${CONFIG_DATA}`)).split(" ")[1]);
  }

  async #setConfig(offset: number, value: number): Promise<void> {
    await this.#ask(`outl ${CONFIG_ADDRESS} ${this.#device + offset}`);
    await this.#ask(`outl ${CONFIG_DATA} ${value}`);
  }

  async #read(address: number): Promise<number> {
    return Number((await this.#ask(`readl ${address}`)).split(" ")[1]);
  }

  async #ask(command: string): Promise<string> {
    const count = this.#answers.length;
    this.#socket.write(`${command}\n`);
    await until(() => this.#answers.length > count, `an answer to ${command}`);
    const answer = this.#answers[count] ?? "";
    if (!answer.startsWith("OK")) throw new Error(`${command}: ${answer}`);
    return answer;
  }
}
