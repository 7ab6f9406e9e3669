/** The screens. What one may share lies in the query: filter, highlight, grouping, peek, tab. */
import { createRouter, createWebHistory } from 'vue-router'
import { t } from '@/strings'
import TrafficScreen from '@/features/traffic/TrafficScreen.vue'

export const router = createRouter({
  history: createWebHistory('/ui/'),
  routes: [
    { path: '/', redirect: '/traffic' },
    {
      path: '/traffic',
      name: 'traffic',
      components: { default: TrafficScreen, peek: () => import('@/features/exchange/PeekDock.vue') },
      meta: { title: t.nav.traffic },
    },
    {
      path: '/traffic/:id',
      name: 'exchange',
      component: () => import('@/features/exchange/ExchangePage.vue'),
      meta: { title: t.exchangeNoun },
    },
    {
      path: '/providers',
      name: 'providers',
      component: () => import('@/features/models/ProvidersScreen.vue'),
      meta: { title: t.nav.providers },
    },
    {
      path: '/routes',
      name: 'routes',
      component: () => import('@/features/models/RoutesScreen.vue'),
      meta: { title: t.nav.routes },
    },
    {
      path: '/connect',
      name: 'connect',
      component: () => import('@/features/connect/ConnectScreen.vue'),
      meta: { title: t.nav.connect },
    },
    {
      path: '/settings/:section?',
      name: 'settings',
      component: () => import('@/features/settings/SettingsScreen.vue'),
      meta: { title: t.nav.settings },
    },
    { path: '/:rest(.*)*', redirect: '/traffic' },
  ],
})

router.afterEach((to) => {
  document.title = `${String(to.meta.title ?? '')} · ${t.product}`
})

// A screen's file that cannot be had belongs to another version, or the keeper is away: load the page anew.
router.onError((_error, to) => location.assign(router.resolve(to.fullPath).href))
