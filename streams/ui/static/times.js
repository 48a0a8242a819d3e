// Event times in words: UTC, or, of a table without a time column, rows (a row is a second since epoch 0).

export const moment = (seconds, rows = false) => (rows ? `row ${Math.round(seconds).toLocaleString("en")}` : new Date(seconds * 1e3).toISOString().slice(0, 19).replace("T", " "));
