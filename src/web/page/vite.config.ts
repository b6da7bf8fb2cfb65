// How the page is built. What comes out is committed and compiled into the binary, so the same sources must
// give the same bytes: fixed names, no hashes, no source maps. Paths are relative, so that the page also
// works behind a proxy that serves it under a prefix.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    sourcemap: false,
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        entryFileNames: "assets/app.js",
        // The only chunk is the drawing with its library, loaded when it comes into view.
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/app[extname]",
      },
    },
  },
});
