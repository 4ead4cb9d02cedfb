import { decodeFrame } from "../../client/src";
import { bitmapOf, type DecodeAnswer, type DecodeRequest } from "./decode";
import { sentenceOf } from "../wire/errors";

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<DecodeRequest>) => void) | null;
  postMessage(answer: DecodeAnswer, transfer?: Transferable[]): void;
};

scope.onmessage = async (event) => {
  const { ticket, bytes } = event.data;
  try {
    const frame = decodeFrame(bytes);
    const bitmap = await bitmapOf(frame);
    scope.postMessage({ ticket, header: frame.header, bitmap }, [bitmap]);
  } catch (error) {
    scope.postMessage({ ticket, error: sentenceOf(error) });
  }
};
