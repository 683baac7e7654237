// Where pictures of people may come from: origins, https alone. The server writes this file
// from its settings.

export const images = [];
