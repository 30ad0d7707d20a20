// Chooses the rows of the bank beside the page, so that the live picture does not wait for them.

import { fitBank } from "./bank.js";

onmessage = ({ data: { number, features, projection, size } }) => {
  postMessage({ number, bank: fitBank(features, projection, size) });
};
