/** Who makes a call. */
export interface Bearer {
  /** An invite, or the operator's token; none for a server that asks for none. */
  token?: string | undefined;
  /** The `client` of this client's hello, for invites that count their uses. */
  client?: string | undefined;
}

/** Why a call came to nothing. */
export class CallRefused extends Error {
  /** The HTTP status; 0 where the server was not reached. */
  readonly status: number;
  /** The server's code, where it gave one. */
  readonly code: string | undefined;
  /** When to try again, where the server says so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, message: string, code?: string, retryAfterSeconds?: number) {
    super(message);
    this.name = "CallRefused";
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The headers that show who makes a call. */
export function bearerHeaders({ token, client }: Bearer): Record<string, string> {
  if (token === undefined) return {};
  return { authorization: `Bearer ${token}`, ...(client === undefined ? {} : { "impasto-client": client }) };
}

/** Asks a server something; a body that is no file goes as JSON. Throws `CallRefused`; a `signal` ends it. */
export async function call(address: string, bearer: Bearer = {}, method = "GET", body?: object, signal?: AbortSignal): Promise<Response> {
  const isFile = body instanceof Blob;
  const type = isFile ? body.type || "application/octet-stream" : "application/json";
  let answer: Response;
  try {
    answer = await fetch(address, {
      method,
      ...(signal ? { signal } : {}),
      headers: { ...bearerHeaders(bearer), ...(body ? { "content-type": type } : {}) },
      ...(body ? { body: isFile ? body : JSON.stringify(body) } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallRefused(0, "The server cannot be reached; try again when the connection is back.");
  }
  if (!answer.ok) throw await refusalOf(answer);
  return answer;
}

async function refusalOf(answer: Response): Promise<CallRefused> {
  const wait = Number(answer.headers.get("retry-after") ?? Number.NaN);
  const retryAfter = Number.isFinite(wait) ? wait : undefined;
  try {
    const { error } = (await answer.json()) as { error?: { code?: string; message?: string } };
    return new CallRefused(answer.status, error?.message ?? answer.statusText, error?.code, retryAfter);
  } catch {
    return new CallRefused(answer.status, `${answer.status} ${answer.statusText}`, undefined, retryAfter);
  }
}
