// event.js - what an event of a route says: its subject, and its payload as it was published
// SPDX-License-Identifier: MIT

// "data" is the last member, and no quoted string before it can hold an unescaped quote: so the payload of a
// JSON message can be shown byte for byte instead of as JSON.parse and stringify would have it.
function readCloudEvent(text) {
  const event = JSON.parse(text);
  let data = event.data;
  if (data === undefined) data = event.data_base64 ? `base64: ${event.data_base64}` : '';
  else if (typeof data !== 'string') data = text.slice(text.indexOf('"data":') + 7, text.lastIndexOf('}'));
  return { subject: event.subject ?? '', data };
}

// Where the event does not name its subject, what the stream asked for stands for it.
export function readEvent({ format, subjects }, type, text) {
  if (type === 'freshet.binary') return { subject: subjects.join(' '), data: `base64: ${text}` };
  if (format === 'cloudevents') return readCloudEvent(text);
  return { subject: type === 'message' ? subjects.join(' ') : type, data: text };
}
