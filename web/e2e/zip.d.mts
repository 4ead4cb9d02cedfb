/** The archive of parts `[name, bytes, deflates]`, in that order. */
export function zipOf(parts: readonly (readonly [name: string, content: string | Uint8Array, deflates?: boolean])[]): Buffer<ArrayBuffer>;
