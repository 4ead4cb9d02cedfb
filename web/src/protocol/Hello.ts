
/**
 * The first message on a socket, within five seconds of its opening.
 */
export type Hello = { 
/**
 * Must be [`super::PROTOCOL_VERSION`].
 */
protocol: number, 
/**
 * The client's own id, kept over reconnects.
 */
client: string, 
/**
 * An invite; may be left out where the server runs without auth.
 */
token?: string, 
/**
 * The name that other members see.
 */
name?: string, 
/**
 * The last `seq` that the client has seen, when it comes back.
 */
last_seq?: number, };
